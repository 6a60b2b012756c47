"""Where somebody may be speaking: of real people nobody is missed, whatever came before them."""

import io
import random

import numpy as np
import pytest
import soundfile as sf

from serve_app.audio.decode import heard_blocks
from serve_app.audio.listening import BLOCK_SAMPLES, MARGIN_S, Listeners
from serve_app.audio.voice import SileroDetector
from serve_app.audio.waveform import SAMPLE_RATE_HZ, WINDOW, Block, Pcm
from tests.graph.recordings import spoken_digits, wav

RNG = np.random.default_rng(4)
"""For what needs no seed of its own."""


def heard(pcm: Pcm, *cuts: int, unheard_s: float = 0.0) -> list[Block]:
    listeners = Listeners(SileroDetector, unheard_s)
    (listener,) = listeners.of(1)
    blocks = [block for part in np.split(pcm, cuts) for block in listener.push(part)]
    blocks += listener.flush()
    listeners.close()
    return blocks


def flags(pcm: Pcm) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.frombuffer(b"".join(block.speech for block in heard(pcm)), np.uint8)


def digits(count: int, seed: int) -> Pcm:
    samples = spoken_digits(count, random.Random(seed))
    return np.asarray(np.round(samples * 32767), dtype=np.int16)


def chords(duration_s: float, seed: int = 0) -> Pcm:
    """Music of a kind: four notes with overtones, louder and softer."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    notes = rng.choice([110, 147, 165, 196, 220, 262, 294, 330], 4, replace=False)
    waves = [
        np.sin(2 * np.pi * f * k * t + rng.uniform(0, 6)) / k for f in notes for k in (1, 2, 3)
    ]
    music = sum(waves) * (0.6 + 0.4 * np.sin(4 * np.pi * t))
    return np.asarray(music / np.abs(music).max() * 9000, dtype=np.int16)


def covers(speech: "np.ndarray[tuple[int], np.dtype[np.uint8]]", said: Pcm) -> bool:
    """Whether all that is loud is within the margin of what was taken for speech."""
    near = np.convolve(speech, np.ones(2 * round(MARGIN_S * SAMPLE_RATE_HZ / WINDOW) + 1), "same")
    num_windows = len(said) // WINDOW
    loudness = np.abs(said[: num_windows * WINDOW].astype(np.int32)).reshape(-1, WINDOW).max(axis=1)
    loud = loudness > loudness.max() / 4
    return bool((near[:num_windows][loud] > 0.5).all())


def test_of_hundreds_of_words_of_real_people_none_is_missed() -> None:
    for seed in range(60):
        said = digits(6, seed)
        noisy = np.asarray(said + RNG.normal(0, 25, len(said)), dtype=np.int16)
        assert covers(flags(noisy), said), seed


@pytest.mark.parametrize("seed", range(10))
def test_words_behind_music_are_heard(seed: int) -> None:
    """What has heard seconds of music alone is deaf to them."""
    said = digits(5, seed)
    num_blocks = 20
    before = chords(num_blocks * BLOCK_SAMPLES / SAMPLE_RATE_HZ, seed)
    behind = flags(np.concatenate([before, said]))[num_blocks * 32 :]
    assert covers(behind, said)


def test_most_of_music_is_no_speech() -> None:
    heard_part = [flags(chords(15.0, seed)).mean() for seed in range(12)]
    assert np.mean(heard_part) < 0.1


def test_silence_is_not_asked_about() -> None:
    assert not flags(RNG.normal(0, 2, 5 * SAMPLE_RATE_HZ).astype(np.int16)).any()


def test_noise_is_no_speech() -> None:
    assert not flags(RNG.normal(0, 3000, 20 * SAMPLE_RATE_HZ).astype(np.int16)).any()


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_the_same_however_the_samples_come(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pcm = digits(3, seed)
    cuts = np.sort(rng.integers(0, len(pcm), rng.integers(0, 9)))
    whole, parts = heard(pcm), heard(pcm, *cuts)
    assert [block.speech for block in whole] == [block.speech for block in parts]
    assert np.array_equal(
        np.concatenate([block.pcm for block in whole]),
        np.concatenate([block.pcm for block in parts]),
    )
    assert all(len(block.pcm) == BLOCK_SAMPLES for block in whole[:-1])


def test_a_short_recording_is_not_listened_to_and_a_longer_one_from_its_beginning() -> None:
    pcm = np.concatenate([np.zeros(3 * SAMPLE_RATE_HZ, np.int16), digits(3, 1)])
    length_s = len(pcm) / SAMPLE_RATE_HZ
    assert all(all(block.speech) for block in heard(pcm, unheard_s=length_s))
    asked = heard(pcm, *range(1000, len(pcm), 1000), unheard_s=length_s - 0.1)
    assert [block.speech for block in asked] == [block.speech for block in heard(pcm)]
    assert not any(asked[0].speech)


def test_channels_come_in_turn_each_with_its_own_speech() -> None:
    left = digits(5, 2)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    file = io.BytesIO()
    sf.write(file, both, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    blocks = list(heard_blocks(file.getvalue(), channel="split"))
    assert [block.channel for block in blocks[:4]] == [0, 1, 0, 1]
    assert any(any(block.speech) for block in blocks if block.channel == 0)
    assert not any(any(block.speech) for block in blocks if block.channel == 1)
    for unheard_s in (3.0, 60.0):
        held = heard_blocks(file.getvalue(), channel="split", unheard_s=unheard_s)
        assert [block.channel for block in held] == [0, 1] * (len(blocks) // 2)
    mono = wav(left.astype(np.float32) / 32768)
    assert {block.channel for block in heard_blocks(mono, channel="split")} == {0}
