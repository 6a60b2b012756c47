"""Streams for any streaming model: cut into frames, run alone, run in random company."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from serve_app.models.protocols import (
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
    StreamText,
)

Samples = npt.NDArray[np.int16]
Cut = tuple[bytes, bool]
"""A frame without its slot: samples, and whether they are the segment's last."""


@dataclass(frozen=True)
class Stream:
    cuts: tuple[Cut, ...]
    options: StreamOptions = field(default_factory=StreamOptions)


def segment(samples: Samples, step_samples: int, *, is_ended: bool = True) -> list[Cut]:
    """`samples` in frames; the last one may be short, or empty where all fits into whole ones."""
    num_whole = len(samples) // step_samples
    cuts = [
        (samples[i * step_samples : (i + 1) * step_samples].tobytes(), False)
        for i in range(num_whole)
    ]
    if is_ended:
        cuts.append((samples[num_whole * step_samples :].tobytes(), True))
    return cuts


def pcm(samples: npt.NDArray[np.float32]) -> Samples:
    clipped: Samples = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    return clipped


def speak(
    model: StreamingRecognizer,
    cuts: Sequence[Cut],
    *,
    slot: int = 0,
    options: StreamOptions = StreamOptions(),  # noqa: B008 - frozen
) -> list[StreamText]:
    """The texts of a stream that is alone."""
    model.occupy(slot, options)
    texts = [model.step([StreamFrame(slot, *cut)])[0] for cut in cuts]
    model.release(slot)
    return [plain(text) for text in texts]


def plain(text: StreamText) -> StreamText:
    """Without confidences, which the size of a batch moves in their last digits."""
    if text.words is None:
        return text
    return replace(text, words=tuple(replace(word, confidence=None) for word in text.words))


@dataclass
class _Place:
    number: int
    position: int = 0
    texts: list[StreamText] = field(default_factory=list)
    leaves_at: int | None = None


def in_company(
    model: StreamingRecognizer, streams: Sequence[Stream], rng: random.Random
) -> list[list[StreamText]]:
    """The texts of streams that join whenever a slot is free, wait now and then, and leave: a
    quarter of them in the middle."""
    found: list[list[StreamText]] = [[] for _ in streams]
    waiting = list(range(len(streams)))
    places: dict[int, _Place] = {}
    while waiting or places:
        for slot in rng.sample(range(model.num_slots), model.num_slots):
            if slot not in places and waiting and rng.random() < 0.7:
                places[slot] = _enter(model, slot, waiting.pop(0), streams, rng)
        going = [slot for slot in places if rng.random() < 0.8]
        rng.shuffle(going)
        frames = [
            StreamFrame(slot, *streams[places[slot].number].cuts[places[slot].position])
            for slot in going
        ]
        for slot, text in zip(going, model.step(frames), strict=True):
            place = places[slot]
            place.texts.append(plain(text))
            place.position += 1
            if place.position in (place.leaves_at, len(streams[place.number].cuts)):
                found[place.number] = place.texts
                model.release(slot)
                del places[slot]
    return found


def _enter(
    model: StreamingRecognizer,
    slot: int,
    number: int,
    streams: Sequence[Stream],
    rng: random.Random,
) -> _Place:
    model.occupy(slot, streams[number].options)
    leaves_at = rng.randint(1, len(streams[number].cuts)) if rng.random() < 0.25 else None
    return _Place(number, leaves_at=leaves_at)


def random_streams(
    count: int,
    step_samples: int,
    rng: random.Random,
    *,
    draw: Callable[[random.Random], Samples],
    options: Callable[[random.Random], StreamOptions] = lambda _: StreamOptions(),
) -> list[Stream]:
    """One to three segments each, of any length; some streams break off."""
    streams = []
    for _ in range(count):
        cuts: list[Cut] = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            samples = draw(rng)
            if rng.random() < 0.1:
                samples = samples[: len(samples) // step_samples * step_samples]
            cuts += segment(samples, step_samples, is_ended=True)
        if rng.random() < 0.3:
            cuts = cuts[: max(1, len(cuts) - 1)]
        streams.append(Stream(tuple(cuts), options(rng)))
    return streams


def finals(texts: Sequence[StreamText]) -> list[str]:
    return [text.confirmed for text in texts if text.ended is not None]


def assert_only_grows(texts: Sequence[StreamText]) -> None:
    """Nothing that was confirmed is taken back, and what has ended has nothing tentative."""
    before = ""
    for text in texts:
        assert text.confirmed.startswith(before)
        assert (text.words is None) or text.ended is not None
        before = text.confirmed
        if text.ended is not None:
            assert text.tentative == ""
            if text.words is not None:
                assert " ".join(word.text for word in text.words) == text.confirmed
            before = ""


def assert_alone_equals_company(
    model: StreamingRecognizer, streams: Sequence[Stream], rng: random.Random
) -> list[list[StreamText]]:
    """Each stream in whatever slot and company says what it says alone in another slot."""
    company = in_company(model, streams, rng)
    for number, (stream, texts) in enumerate(zip(streams, company, strict=True)):
        alone = speak(model, stream.cuts, slot=number % model.num_slots, options=stream.options)
        assert_only_grows(alone)
        assert texts == alone[: len(texts)]
        assert_replays_from_its_cut(model, stream, alone)
    return company


def assert_replays_from_its_cut(
    model: StreamingRecognizer, stream: Stream, texts: Sequence[StreamText]
) -> None:
    """Behind an end by itself the rest says what it says in a fresh slot: with what was carried."""
    ends = [index for index, text in enumerate(texts) if text.ended in ("blank", "length")]
    for index in ends[:1]:
        num_carried = texts[index].num_carried
        cuts = stream.cuts[index + 1 - num_carried :]
        fresh = speak(model, cuts, slot=model.num_slots - 1, options=stream.options)
        assert all(text.ended is None for text in fresh[:num_carried])
        assert fresh[num_carried:] == list(texts[index + 1 :])
    heard = sum(len(pcm) // 2 for pcm, _ in stream.cuts[: len(texts)])
    told = sum(text.num_samples for text in texts if text.ended is not None)
    under_way = texts[-1].num_samples if texts[-1].ended is None else 0
    assert told + under_way in (heard, heard - texts[-1].num_carried * model.step_samples)


def all_texts(streams: Sequence[Sequence[StreamText]]) -> Iterator[StreamText]:
    for texts in streams:
        yield from texts
