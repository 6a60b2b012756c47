"""espeak-ng as a synthesizer: small, quick, audibly a machine, and in more than 100 languages."""

import logging

from serve_app.audio.tempo import with_tempo
from serve_app.config import SynthesizerConfig
from serve_app.errors import ConfigError
from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SynthesisRequest,
    UnspeakableError,
    Voice,
)
from serve_app.models.speech.espeak.process import SpeakingProcess
from serve_app.models.speech.text import speakable

logger = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
"""espeak-ng's own."""
_SLOWEST, _FASTEST = 0.6, 1.5
"""Of it: what espeak-ng is told itself. The sound lasts as long as it should then, within a tenth;
beyond, it would not, and is stretched or squeezed."""
_MAX_S = 600.0
"""Of one sentence's sound, before it is stretched."""


class EspeakSynthesizer:
    """See `Synthesizer`."""

    def __init__(self, config: SynthesizerConfig) -> None:
        """
        Raises:
            ConfigError: espeak-ng is not installed, does not start, or lacks a configured voice.
        """
        self._speakers = {voice.name: voice.speaker or code for code, voice in config.all_voices()}
        self.voices = tuple(Voice(voice.name, code) for code, voice in config.all_voices())
        self._process = SpeakingProcess(config.name, config.timeout_s)
        try:
            self._check_voices(config)
        except BaseException:
            self._process.close()
            raise
        logger.info("%s speaks by espeak-ng %s", config.name, self._process.version)
        self.info = ModelInfo(
            config.name,
            config.kind,
            tuple(dict.fromkeys(voice.language for voice in self.voices)),
            word_times=False,
        )

    def _check_voices(self, config: SynthesizerConfig) -> None:
        """Those that somebody chose; what each language has of itself, espeak-ng has."""
        for voices in config.voices.values():
            for voice in voices:
                try:
                    self.synthesize(SynthesisRequest("1", voice.name))
                except UnspeakableError as error:
                    place = f"synthesizers.{config.name}.voices"
                    raise ConfigError(place, f"{voice.name}: {error}") from error

    def synthesize(self, request: SynthesisRequest) -> Speech:
        rate_hz = self._process.rate_hz
        text = speakable(request.text)
        if not text:
            return Speech(b"", rate_hz)
        own_speed = min(max(request.speed, _SLOWEST), _FASTEST)
        pcm = self._process.say(
            text,
            self._speakers[request.voice],
            round(_WORDS_PER_MINUTE * own_speed),
            round(_MAX_S * rate_hz),
        )
        return Speech(with_tempo(pcm, rate_hz, request.speed / own_speed), rate_hz)

    def close(self) -> None:
        self._process.close()
