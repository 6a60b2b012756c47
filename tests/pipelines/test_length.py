"""What an upload's header says of its length is believed; no upload at all can break the reader."""

import random

import numpy as np
import pytest
import soxr

from serve_app.audio.decode import decode_blocks
from serve_app.pipelines.length import LEAN_BYTES_PER_S, expected_audio_s
from tests.audio.audio_files import FORMATS

DURATION_S = 7.0


def encoded(name: str) -> bytes:
    encode, rate_hz, _ = FORMATS[name]
    samples = np.random.default_rng(1).normal(0, 0.1, round(DURATION_S * 16_000))
    return encode(soxr.resample(samples.astype(np.float32), 16_000, rate_hz), rate_hz)


TELLING = [
    name
    for name in FORMATS
    # The header that FFmpeg writes for G.722 says 0 bytes per second.
    if name.startswith(("WAV", "FLAC", "MP3")) and name not in {"FLAC in OGG", "WAV, G.722"}
]


@pytest.mark.parametrize("name", TELLING)
def test_wav_flac_and_mp3_say_how_long_they_are(name: str) -> None:
    expected_s = expected_audio_s(encoded(name), longest_s=3600.0)
    assert expected_s == pytest.approx(DURATION_S, rel=0.05)


def test_an_mp3_without_a_count_of_frames_says_how_many_bits_a_second_has() -> None:
    head = bytes([0xFF, 0xFB, 0x90, 0xC4])  # MPEG 1, layer III, 128 kbit/s
    assert expected_audio_s(head + bytes(16_000 * 5 - 4), longest_s=3600.0) == 5.0


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("AMR")])
def test_no_format_is_expected_to_be_much_shorter_than_it_is(name: str) -> None:
    assert expected_audio_s(encoded(name), longest_s=3600.0) > DURATION_S * 0.5


def test_an_unknown_format_is_as_long_as_lean_speech_and_never_above_the_limit() -> None:
    assert expected_audio_s(bytes(20_000), longest_s=3600.0) == 20_000 / LEAN_BYTES_PER_S
    assert expected_audio_s(bytes(20_000), longest_s=3.0) == 3.0
    assert expected_audio_s(b"", longest_s=3.0) == 0.0


def test_a_wav_of_a_stream_whose_length_was_not_known_is_as_long_as_its_bytes() -> None:
    wav = bytearray(encoded("WAV, 16 bits"))
    place = wav.index(b"data") + 4
    for told in (0, 0xFFFFFFFF):
        wav[place : place + 4] = told.to_bytes(4, "little")
        assert expected_audio_s(bytes(wav), longest_s=3600.0) == pytest.approx(DURATION_S, rel=0.01)


def lying(name: str) -> bytes:
    """An upload that says less than it holds."""
    upload = bytearray(encoded(name))
    match name:
        case "WAV, 16 bits":  # very many bytes a second
            upload[28:32] = b"\xff\xff\xff\xff"
        case "FLAC":  # 16 samples
            upload[22:26] = (16).to_bytes(4, "big")
            upload[21] &= 0xF0
        case _:  # one frame
            place = max(upload.find(b"Xing"), upload.find(b"Info")) + 8
            upload[place : place + 4] = (1).to_bytes(4, "big")
    return bytes(upload)


@pytest.mark.parametrize("name", ["WAV, 16 bits", "FLAC", "MP3"])
def test_a_header_that_says_far_less_than_the_bytes_is_not_believed(name: str) -> None:
    assert sum(map(len, decode_blocks(lying(name)))) / 16_000 > DURATION_S * 0.9
    assert expected_audio_s(lying(name), longest_s=3600.0) > DURATION_S / 8


def test_samples_behind_the_first_ones_of_a_wav_count() -> None:
    samples = encoded("WAV, 16 bits")[44:]
    size = len(samples).to_bytes(4, "little")
    twice = encoded("WAV, 16 bits") + b"data" + size + samples
    assert expected_audio_s(twice, longest_s=3600.0) == pytest.approx(2 * DURATION_S, rel=0.01)


def test_no_bytes_break_it() -> None:
    rng = random.Random(5)
    originals = [encoded(name)[:300] for name in FORMATS]
    for _ in range(5_000):
        upload = bytearray(rng.choice(originals)[: rng.randint(0, 300)])
        for _ in range(rng.randint(0, 12)):
            if upload:
                upload[rng.randrange(len(upload))] = rng.randrange(256)
        assert 0.0 <= expected_audio_s(bytes(upload), longest_s=100.0) <= 100.0
