"""A translation as it grows, in; its texts and the sound of each of its sentences, told, out.

A sentence is spoken as soon as it is whole and will not change; it is on its way to the client
while the next one is spoken.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from serve_app.models.protocols import SentenceSynthesizer, Speech, SynthesisRequest
from serve_app.pipelines.speech_to_speech.events import Sound, Translated
from serve_app.pipelines.speech_to_speech.translating import Translation
from serve_app.pipelines.speech_to_speech.turns import Turn
from serve_app.transcript.sentences import sentences_of


class Speaker(Protocol):
    """Has a voice for each language of a conversation."""

    async def speak(self, sentence: str, language: str) -> Speech:
        """
        Raises:
            SpeechError: any of them; a `CapacityError` is worth another try.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChosenVoice:
    """Who speaks one language."""

    model: str
    """The served name of the synthesizer."""
    voice: str


class VoicedSpeaker:
    """See `Speaker`."""

    def __init__(
        self,
        synthesizer: SentenceSynthesizer,
        voices: Mapping[str, ChosenVoice],
        sample_rate_hz: int,
    ) -> None:
        """`voices` by the ISO 639-1 code of what they speak."""
        self._synthesizer = synthesizer
        self._voices = voices
        self._sample_rate_hz = sample_rate_hz

    async def speak(self, sentence: str, language: str) -> Speech:
        chosen = self._voices[language]
        request = SynthesisRequest(sentence, chosen.voice, sample_rate_hz=self._sample_rate_hz)
        return await self._synthesizer.synthesize(chosen.model, request)


async def tell_translations(
    turn: Turn,
    translations: AsyncIterator[Translation],
    speaker: Speaker | None,
    *,
    span: Callable[[], tuple[float, float]],
) -> None:
    """Tell one utterance; without `speaker` its texts alone. `span` says from when to when in the
    stream it goes, as far as that is known.

    A sentence that cannot be spoken is the last that is tried; the texts are told to their end.

    Raises:
        Exception: what came between, or, behind the last text, why it could not be spoken.
    """
    num_spoken = part = 0
    problem: Exception | None = None
    async for each in translations:
        start_s, end_s = span()
        await turn.tell(
            Translated(
                turn.number,
                each.source,
                each.target,
                each.text,
                each.source_text,
                start_s,
                end_s,
                each.is_final,
            )
        )
        if speaker is None or each.target is None or problem is not None:
            continue
        for sentence in _whole_sentences(each)[num_spoken:]:
            speak = partial(speaker.speak, sentence, each.target)
            try:
                speech = await turn.persist(speak, is_bounded=True)
            except Exception as error:  # of whatever kind: raised behind the texts
                problem = error
                break
            num_spoken += 1
            if speech.pcm:
                await turn.tell(Sound(turn.number, part, speech))
                part += 1
    if problem is not None:
        raise problem


def _whole_sentences(translation: Translation) -> list[str]:
    """Those that will not change: the last one may, while the text goes on."""
    if translation.is_final:
        return list(sentences_of(translation.text))
    return list(sentences_of(translation.certain))[:-1]
