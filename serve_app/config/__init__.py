"""The configuration, as one frozen tree: what stands under `args:` in a file of `configs/`.

Inert: nothing here reads a file, an environment or a clock. Unknown keys are errors. `app.build`
reads the tree once; below it there are only plain values.
"""

from serve_app.config.diarization import DiarizationConfig
from serve_app.config.jobs import JobsConfig
from serve_app.config.models import BatchConfig, ModelConfig, SimulatedConfig, Task
from serve_app.config.server import AuthConfig, LimitsConfig, PreprocessorConfig, ServerConfig
from serve_app.config.settings import reason_of
from serve_app.config.streaming import StreamingConfig, StreamsConfig
from serve_app.config.synthesis import SimulatedSpeechConfig, SynthesizerConfig, VoiceConfig
from serve_app.config.translation import TranslationConfig

__all__ = [
    "AuthConfig",
    "BatchConfig",
    "DiarizationConfig",
    "JobsConfig",
    "LimitsConfig",
    "ModelConfig",
    "PreprocessorConfig",
    "ServerConfig",
    "SimulatedConfig",
    "SimulatedSpeechConfig",
    "StreamingConfig",
    "StreamsConfig",
    "SynthesizerConfig",
    "Task",
    "TranslationConfig",
    "VoiceConfig",
    "reason_of",
]
