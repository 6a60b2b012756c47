"""Where speech begins and ends: on recordings of people, in noise and through a telephone."""

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from serve_app.audio.voice import (
    LEAD_S,
    MIN_PREFIX_S,
    WINDOW,
    SileroDetector,
    SpeechEnd,
    SpeechOnset,
    VoiceActivity,
    VoiceWatch,
)
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.pipelines.streaming.endpointing import Cut, CutFrame, Cutter, VoiceTurn
from tiny.speech.augment import add_noise, through_codec
from tiny.speech.grammar import draw_digits
from tiny.speech.recordings import TRAINING_SPEAKERS, UNSEEN_SPEAKER, say_digits

WINDOW_S = WINDOW / SAMPLE_RATE_HZ


class Script:
    """A detector that says what it was told to."""

    def __init__(self, probabilities: list[float]) -> None:
        self._probabilities = iter(probabilities)

    def __call__(self, window: bytes) -> float:
        return next(self._probabilities)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def scripted(probabilities: list[float], **settings: float) -> list[SpeechOnset | SpeechEnd | None]:
    watch = VoiceWatch(VoiceActivity(**settings), Script(probabilities))
    return [watch.push(bytes(2 * WINDOW)) for _ in probabilities]


def watched(pcm: bytes, settings: VoiceActivity, sizes: random.Random | None = None) -> list[Cut]:
    """The turns of speech, and where the frames between them lie."""
    cutter = Cutter(1280, settings, SileroDetector)
    cuts, rest = [], pcm
    while rest:
        num_bytes = 2 * sizes.randint(1, 20_000) if sizes else len(rest)
        cuts += cutter.push(rest[:num_bytes])
        rest = rest[num_bytes:]
    cutter.close()
    return cuts


def conversation(speaker: str, rng: random.Random) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Some strings of digits with pauses between; and where their words begin and end."""
    pieces, words, cursor = [], [], 0
    for _ in range(5):
        pause = np.zeros(int(rng.uniform(1.2, 2.0) * SAMPLE_RATE_HZ), np.float32)
        spoken = say_digits(draw_digits(rng), speaker, rng)
        cursor += len(pause)
        words += [
            (cursor + int(word.start_s * SAMPLE_RATE_HZ), cursor + int(word.end_s * SAMPLE_RATE_HZ))
            for word in spoken.words
        ]
        cursor += len(spoken.waveform)
        pieces += [pause, spoken.waveform]
    return np.concatenate([*pieces, np.zeros(2 * SAMPLE_RATE_HZ, np.float32)]), words


def as_pcm(waveform: np.ndarray) -> bytes:
    return np.clip(np.rint(waveform * 32767), -32768, 32767).astype("<i2").tobytes()


CONDITIONS = {
    "clean": lambda waveform, rng: waveform,
    "noise of 10 dB": lambda waveform, rng: add_noise(waveform, rng, snr_db=10),
    "telephone": lambda waveform, rng: through_codec(waveform, "ulaw"),
    "telephone in noise of 15 dB": lambda waveform, rng: through_codec(
        add_noise(waveform, rng, snr_db=15), "ulaw"
    ),
    "quiet": lambda waveform, rng: waveform * 10 ** (-24 / 20),
}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("silence_s", [0.5, 0.8])
def test_no_word_is_missed_and_none_is_cut(condition, silence_s):
    for speaker in (UNSEEN_SPEAKER, *TRAINING_SPEAKERS[:2]):
        rng = random.Random(speaker)
        waveform, words = conversation(speaker, rng)
        pcm = as_pcm(CONDITIONS[condition](waveform, rng))
        cuts = watched(pcm, VoiceActivity(silence_s=silence_s))
        turns = [cut for cut in cuts if isinstance(cut, VoiceTurn)]
        frames = [cut for cut in cuts if isinstance(cut, CutFrame)]
        assert [turn.is_speech for turn in turns] == [True, False] * (len(turns) // 2)
        assert len(turns) >= 10
        ends = [frame.end_sample for frame in frames if frame.frame.is_last]
        for start, end in words:
            assert not any(start < cut < end for cut in ends)
            heard = sum(
                max(0, min(end, frame.end_sample) - max(start, frame.start_sample))
                for frame in frames
            )
            assert heard == end - start


def test_packets_of_any_sizes_give_the_same_changes():
    pcm = as_pcm(conversation(UNSEEN_SPEAKER, random.Random(1))[0])[: 2 * 8 * SAMPLE_RATE_HZ]
    expected = watched(pcm, VoiceActivity())
    assert expected
    for seed in range(5):
        assert watched(pcm, VoiceActivity(), random.Random(seed)) == expected


def test_streams_do_not_hear_each_other_and_a_used_detector_is_as_new():
    rng = np.random.default_rng(1)
    windows = [as_pcm(rng.normal(size=WINDOW).astype(np.float32) / 10) for _ in range(50)]
    alone, between = SileroDetector(), SileroDetector()
    expected = [alone(window) for window in windows]
    heard = []
    for window in windows:
        heard.append(between(window))
        alone(windows[0])
    assert heard == expected
    alone.close()
    again = SileroDetector()
    assert [again(window) for window in windows] == expected


def test_speech_begins_with_its_padding_and_is_recognised_from_a_little_earlier():
    onset = scripted([0.1] * 20 + [0.9], prefix_padding_s=0.1)[-1]
    at_sample, start_sample = (20 * WINDOW - round(s * SAMPLE_RATE_HZ) for s in (0.1, MIN_PREFIX_S))
    assert onset == SpeechOnset(at_sample, start_sample)
    assert scripted([0.9])[-1] == SpeechOnset(0, 0)


def test_speech_goes_on_while_it_is_not_clearly_over():
    changes = scripted([0.9] + [0.2] * 50 + [0.1] * 24 + [0.2] + [0.1] * 25)
    assert [type(change) for change in changes if change] == [SpeechOnset, SpeechEnd]
    assert isinstance(changes[-1], SpeechEnd)
    assert changes[-1].at_sample == 76 * WINDOW


def test_an_utterance_is_cut_before_its_end_is_noticed():
    changes = scripted([0.9] + [0.0] * 25)
    end = changes[-1]
    assert isinstance(end, SpeechEnd)
    assert end.cut_sample == WINDOW + round((0.8 - LEAD_S) * SAMPLE_RATE_HZ)


def test_what_may_be_of_another_utterance_is_not_settled():
    probabilities = [0.0] * 30 + [0.9] * 2 + [0.0] * 24 + [0.9] + [0.0] * 25
    watch = VoiceWatch(VoiceActivity(), Script(probabilities))
    settled, held_in_speech_s = [0], []
    for num_windows in range(1, len(probabilities) + 1):
        change = watch.push(bytes(2 * WINDOW))
        if isinstance(change, SpeechOnset):
            assert settled[-1] <= change.start_sample
        settled.append(watch.num_settled)
        if watch.is_speech:
            held_in_speech_s.append(num_windows * WINDOW_S - settled[-1] / SAMPLE_RATE_HZ)
    assert isinstance(change, SpeechEnd)
    assert change.cut_sample == settled[-1]
    assert all(before <= after for before, after in pairwise(settled))
    assert max(held_in_speech_s) <= LEAD_S + 1e-9


def test_what_follows_an_end_depends_on_nothing_before_it():
    pcm = as_pcm(conversation(UNSEEN_SPEAKER, random.Random(1))[0])
    cuts = watched(pcm, VoiceActivity())
    last = next(i for i, cut in enumerate(cuts) if isinstance(cut, CutFrame) and cut.frame.is_last)
    sample = cuts[last].end_sample
    resumed = watched(pcm[2 * sample :], VoiceActivity())
    assert len(resumed) > 100
    assert [_moved(cut, sample) for cut in resumed] == cuts[last + 1 :]


def _moved(cut: Cut, by: int) -> Cut:
    if isinstance(cut, VoiceTurn):
        return replace(cut, at_sample=cut.at_sample + by)
    return CutFrame(cut.frame, cut.start_sample + by, cut.end_sample + by)
