"""A model of Silero's: a sentence in one of its languages, in; a voice like a person's, out.

Its file is a `torch.package`: code and weights together, which loading runs. So it is loaded only
where its sha256 is the configured one. What Silero publishes is CC BY-NC: no commercial use.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.package.package_importer import PackageImporter

from serve_app.audio.tempo import with_tempo
from serve_app.config import SynthesizerConfig
from serve_app.errors import ConfigError
from serve_app.models.protocols import (
    DeviceMemoryError,
    ModelInfo,
    Speech,
    SynthesisRequest,
    UnspeakableError,
    Voice,
)
from serve_app.models.speech.text import speakable

SAMPLE_RATE_HZ = 48_000
"""The highest that Silero's models offer, beside 8 and 24 kHz."""
_PACKAGE, _RESOURCE = "tts_models", "model"
"""Where in the file its authors put the model."""
_SEED = 0


class SileroSynthesizer:
    """See `Synthesizer`."""

    def __init__(self, path: Path, config: SynthesizerConfig) -> None:
        """`path` is of a file whose digest was verified.

        Raises:
            ConfigError: it is no such model, or has not the speakers that are configured.
        """
        place = f"synthesizers.{config.name}"
        self._device = _device(config)
        if self._device.type == "cpu":
            torch.set_num_threads(config.num_threads)
        try:
            importer = PackageImporter(str(path))
            self._model: Any = importer.load_pickle(_PACKAGE, _RESOURCE)
            self._model.to(self._device)
            known = tuple(self._model.speakers)
        except Exception as error:  # a stranger's code: whatever it raises, it does not load
            raise ConfigError(
                f"{place}.checkpoint", f"{path} is no Silero model: {error!r}"
            ) from error
        self._speakers = {v.name: str(v.speaker) for _, v in config.all_voices()}
        self.voices = tuple(Voice(voice.name, code) for code, voice in config.all_voices())
        strange = sorted({name for name in self._speakers.values() if name not in known})
        if strange:
            raise ConfigError(
                f"{place}.voices",
                f"the model has no speaker {', '.join(strange)}; it has {', '.join(known)}",
            )
        self.info = ModelInfo(
            config.name,
            config.kind,
            tuple(config.voices),
            word_times=False,
            device=self._device.type,
        )

    def synthesize(self, request: SynthesisRequest) -> Speech:
        text = speakable(request.text)
        if not any(letter.isalnum() for letter in text):
            return Speech(b"", SAMPLE_RATE_HZ)
        torch.manual_seed(_SEED)
        try:
            with torch.inference_mode():
                waveform = self._model.apply_tts(
                    text=text,
                    speaker=self._speakers[request.voice],
                    sample_rate=SAMPLE_RATE_HZ,
                )
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError(str(error)) from error
        except RuntimeError:  # torch's: the device's fault, or of a text that is too much for it
            raise
        except Exception as error:  # letters that it never learnt, or too many of them
            raise UnspeakableError(f"the model does not read it: {error}"[:200]) from error
        samples = np.clip(waveform.float().cpu().numpy().reshape(-1) * 32767, -32768, 32767)
        pcm = samples.astype("<i2").tobytes()
        return Speech(with_tempo(pcm, SAMPLE_RATE_HZ, request.speed), SAMPLE_RATE_HZ)

    def close(self) -> None:
        self._model = None


def _device(config: SynthesizerConfig) -> torch.device:
    wanted = config.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"synthesizers.{config.name}.device", "there is no GPU here")
    return torch.device(wanted)
