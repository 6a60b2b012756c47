"""Which language a recording is in, where nobody says: its first words tell, for all of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block
from serve_app.errors import UnsupportedTranslationError
from serve_app.models.protocols import Recognition, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.offline import ChunkedRecognition, transcribe
from serve_app.transcript.types import Hypothesis, Segment, Transcript
from tests.audio.blocks import told_blocks

PAIRS = (("en", "de"), ("de", "en"))
PLAN = ChunkedRecognition(
    "model", max_chunk_s=2.0, max_chunks_in_flight=4, finds_language=True, translations=PAIRS
)


class Listener:
    """Hears a language in each chunk, in the script's order, where the request names none."""

    def __init__(self, heard: Iterable[tuple[str, str]]) -> None:
        self.heard = iter(heard)
        self.asked: list[str | None] = []

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        options = request.options
        self.asked.append(options.language)
        text, spoken = ("words", options.language) if options.language else next(self.heard)
        await asyncio.sleep(0)
        target = options.target_for(spoken) or spoken
        written = target if spoken == target or (spoken, target) in PAIRS else spoken
        return Recognition(Hypothesis(text, language=written, spoken_language=spoken), 0, 0, 1)


async def blocks() -> AsyncIterator[Block]:
    rng = np.random.default_rng(1)
    for block in told_blocks(rng.integers(-9000, 9000, 8 * SAMPLE_RATE_HZ, dtype=np.int16)):
        yield block


async def run(listener: Listener, options: RecognitionOptions) -> Transcript:
    parts = [part async for part in transcribe(blocks(), listener, options, PLAN)]
    assert all(isinstance(part, Segment) for part in parts[:-1])
    assert isinstance(parts[-1], Transcript)
    return parts[-1]


async def test_the_first_words_tell_the_language_of_the_whole_recording() -> None:
    listener = Listener([("hallo", "de")])
    transcript = await run(listener, RecognitionOptions())
    assert listener.asked[0] is None
    assert len(listener.asked) >= 4
    assert set(listener.asked[1:]) == {"de"}
    assert transcript.spoken_language == transcript.language == "de"


async def test_a_chunk_without_a_word_tells_nothing() -> None:
    listener = Listener([("", "ru"), ("", "fr"), ("hallo", "de")])
    transcript = await run(listener, RecognitionOptions())
    assert listener.asked[:3] == [None, None, None]
    assert set(listener.asked[3:]) == {"de"}
    assert "words" in transcript.text


async def test_a_language_that_is_named_is_not_asked_for() -> None:
    listener = Listener([])
    await run(listener, RecognitionOptions(language="en"))
    assert set(listener.asked) == {"en"}


async def test_what_is_spoken_and_cannot_be_translated_is_refused_with_what_can() -> None:
    listener = Listener([("bonjour", "fr")])
    with pytest.raises(UnsupportedTranslationError, match=r"from 'fr' to 'de'.*en to de") as caught:
        await run(listener, RecognitionOptions(target_language="de"))
    assert caught.value.supported == PAIRS


async def test_speech_that_is_in_the_target_language_already_is_its_transcript() -> None:
    listener = Listener([("hallo", "de")])
    transcript = await run(listener, RecognitionOptions(target_language="de"))
    assert transcript.spoken_language == transcript.language == "de"


async def test_the_first_words_tell_the_direction_of_the_whole_recording() -> None:
    listener = Listener([("", "en"), ("hallo", "de")])
    options = RecognitionOptions(among=("en", "de"), crosses=True)
    transcript = await run(listener, options)
    assert listener.asked[:2] == [None, None]
    assert set(listener.asked[2:]) == {"de"}
    assert (transcript.spoken_language, transcript.language) == ("de", "en")
