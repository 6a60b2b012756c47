"""What the rest of the server knows of a model: the types that cross the border, and the protocols.

Imports neither torch nor NeMo.
"""

from serve_app.models.protocols.diarization import (
    DiarizationOpened,
    Diarizer,
    RecordingDiarizer,
)
from serve_app.models.protocols.model import (
    DeviceMemoryError,
    ModelBrokenError,
    ModelInfo,
)
from serve_app.models.protocols.recognition import (
    Allowance,
    ChunkRecognizer,
    Demand,
    Recognition,
    RecognitionOptions,
    RecognitionRequest,
    Recognizer,
)
from serve_app.models.protocols.streaming import (
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
    StreamText,
)
from serve_app.models.protocols.synthesis import (
    SentenceSynthesizer,
    Speech,
    SpeechFormat,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
    Synthesizer,
    TextSpeaker,
    UnspeakableError,
    Voice,
)

__all__ = [
    "Allowance",
    "ChunkRecognizer",
    "Demand",
    "DeviceMemoryError",
    "DiarizationOpened",
    "Diarizer",
    "ModelBrokenError",
    "ModelInfo",
    "Recognition",
    "RecognitionOptions",
    "RecognitionRequest",
    "Recognizer",
    "RecordingDiarizer",
    "SentenceSynthesizer",
    "Speech",
    "SpeechFormat",
    "SpeechPart",
    "SpokenText",
    "StreamFrame",
    "StreamOptions",
    "StreamText",
    "StreamingRecognizer",
    "SynthesisRequest",
    "Synthesizer",
    "TextSpeaker",
    "UnspeakableError",
    "Voice",
]
