"""Only what holds no sound at all is called silent."""

import numpy as np
import pytest

from serve_app.audio.decode import decode_blocks
from serve_app.audio.speech import MARGIN_S, is_silent, without_silence
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk, Pcm
from tests.audio.audio_files import encode, encode_av, speechlike

_RNG = np.random.default_rng(0)


def silent(pcm: Pcm) -> bool:
    return is_silent(Chunk(pcm.astype("<i2").tobytes(), 0.0))


@pytest.mark.parametrize("num_samples", [0, 1, 319, 320, 16_000, 16_100])
@pytest.mark.parametrize("offset", [0, 900])
def test_an_empty_line_is_silent_whatever_its_offset(num_samples: int, offset: int) -> None:
    hum = offset + _RNG.normal(0, 3, num_samples)
    assert silent(np.round(hum).astype(np.int16))


@pytest.mark.parametrize("start", [0, 7000, 15_900])
def test_a_single_whisper_of_sound_is_not_silent(start: int) -> None:
    pcm = np.zeros(16_100, np.int16)
    pcm[start : start + 200] = _RNG.normal(0, 60, len(pcm[start : start + 200]))
    assert not silent(pcm)


def test_speech_whose_peaks_reach_minus_fifty_decibels_is_not_silent() -> None:
    speech = speechlike(1.0, SAMPLE_RATE_HZ)
    assert not silent(speech / np.abs(speech).max() * 32768 * 10 ** (-50 / 20))


def test_silence_stays_silent_through_codecs() -> None:
    nothing = np.zeros(32_000, np.float32)
    for data in (
        encode(nothing, SAMPLE_RATE_HZ, "WAV", "ALAW"),
        encode(nothing, SAMPLE_RATE_HZ, "MP3"),
        encode_av(nothing, SAMPLE_RATE_HZ, "ogg", "libopus"),
    ):
        assert silent(np.concatenate(list(decode_blocks(data))))


def test_silence_around_speech_is_left_out_but_for_a_margin_and_nothing_else() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        before, said, behind = (int(rng.integers(0, 60_000)) for _ in range(3))
        speech = rng.normal(0, 3_000, said + 400).round().astype(np.int16)
        pcm = np.concatenate([np.zeros(before, np.int16), speech, np.zeros(behind, np.int16)])
        chunk = without_silence(Chunk(pcm.tobytes(), 5.0))
        first = round((chunk.start_s - 5.0) * SAMPLE_RATE_HZ)
        assert np.array_equal(chunk.samples(), pcm[first : first + chunk.num_samples])
        margin, frame = round(MARGIN_S * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ // 50
        assert first <= before
        assert first + chunk.num_samples >= before + len(speech)
        assert before - first <= margin + frame
        assert first + chunk.num_samples - before - len(speech) <= margin + 2 * frame


def test_a_chunk_of_silence_or_without_any_stays_whole() -> None:
    for pcm in (np.zeros(8_000, np.int16), _RNG.normal(0, 900, 8_123).astype(np.int16)):
        chunk = Chunk(pcm.tobytes(), 1.0)
        assert without_silence(chunk) == chunk
