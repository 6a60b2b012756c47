"""What is spoken, written in every format at every rate, and decoded again."""

import io
import threading
import wave
from concurrent.futures import ThreadPoolExecutor, wait

import av
import numpy as np
import pytest

from serve_app.audio import encode
from serve_app.audio.encode import Encoder
from serve_app.audio.resample import resampled
from serve_app.audio.tempo import with_tempo
from serve_app.ingress.voices import SAMPLE_RATES_HZ
from serve_app.ingress.wires.rest.speech.form import CONTENT_TYPES

PADDING_S = 0.25
"""What MP3 and AAC may put before and behind: whole frames, of up to 144 ms at 8 kHz."""


def tone(duration_s: float, rate_hz: int, pitch_hz: float = 440.0) -> bytes:
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (8000 * np.sin(2 * np.pi * pitch_hz * times)).astype("<i2").tobytes()


def encoded(format_name: str, rate_hz: int, pieces: list[bytes]) -> list[bytes]:
    encoder = Encoder(format_name, rate_hz)
    parts = [
        encoder.encode(piece, is_last=index == len(pieces) - 1)
        for index, piece in enumerate(pieces)
    ]
    encoder.close()
    return parts


def decoded(format_name: str, data: bytes, rate_hz: int) -> tuple[np.ndarray, int]:
    """Samples from −1 to 1 of one channel, and their rate."""
    if format_name == "pcm":
        return np.frombuffer(data, "<i2") / 32768, rate_hz
    pieces = []
    with av.open(io.BytesIO(data)) as container:
        to_float = av.AudioResampler("flt", "mono")
        for frame in container.decode(audio=0):
            pieces += [each.to_ndarray().reshape(-1) for each in to_float.resample(frame)]
            found_hz = frame.sample_rate
    return np.concatenate(pieces), found_hz


def pitch_of(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
@pytest.mark.parametrize("format_name", CONTENT_TYPES)
def test_every_format_holds_the_sound_at_its_length(format_name: str, rate_hz: int) -> None:
    pcm = tone(1.3, rate_hz)
    cut = rate_hz // 2 * 2
    data = b"".join(encoded(format_name, rate_hz, [pcm[:cut], pcm[cut:]]))
    samples, found_hz = decoded(format_name, data, rate_hz)
    assert found_hz == (48_000 if format_name == "opus" else rate_hz)
    extra_s = PADDING_S if format_name in ("mp3", "aac") else 0.001
    assert 1.299 <= len(samples) / found_hz <= 1.3 + extra_s
    assert pitch_of(samples, found_hz) == pytest.approx(440, abs=3)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / 32768 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("format_name", CONTENT_TYPES)
def test_the_first_bytes_come_long_before_the_last_samples(format_name: str) -> None:
    first, *_ = parts = encoded(format_name, 24_000, [tone(1.0, 24_000)] * 4)
    assert len(first) > 0.1 * len(b"".join(parts))
    samples, found_hz = decoded(format_name, first, 24_000)
    assert len(samples) / found_hz > 0.4


@pytest.mark.parametrize("format_name", CONTENT_TYPES)
def test_the_same_pieces_give_the_same_bytes(format_name: str) -> None:
    pieces = [tone(0.7, 22_050), tone(0.9, 22_050, 300.0)]
    assert encoded(format_name, 22_050, pieces) == encoded(format_name, 22_050, pieces)


@pytest.mark.parametrize("format_name", CONTENT_TYPES)
def test_nothing_said_is_a_file_that_can_be_opened(format_name: str) -> None:
    samples, _ = decoded(format_name, b"".join(encoded(format_name, 24_000, [b""])), 24_000)
    assert len(samples) > 0
    assert not np.any(np.abs(samples) > 0.001)


@pytest.mark.parametrize("format_name", CONTENT_TYPES)
def test_a_file_that_nobody_wants_any_more_is_closed_in_the_middle(format_name: str) -> None:
    encoder = Encoder(format_name, 24_000)
    encoder.encode(tone(1.0, 24_000))
    encoder.close()


@pytest.mark.parametrize("format_name", ["mp3", "opus", "aac", "flac"])
def test_a_file_that_is_closed_while_another_thread_encodes_ends_behind_it(
    format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    has_begun, may_go_on = threading.Event(), threading.Event()
    plain_write, plain_close = encode._Coded.write, encode._Coded.close

    def write(self: encode._Coded, pcm: bytes, *, is_first: bool, is_last: bool) -> bytes:
        has_begun.set()
        assert may_go_on.wait(10)
        data = plain_write(self, pcm, is_first=is_first, is_last=is_last)
        happened.append("encoded")
        return data

    def close(self: encode._Coded) -> None:
        happened.append("closed")
        plain_close(self)

    monkeypatch.setattr(encode._Coded, "write", write)
    monkeypatch.setattr(encode._Coded, "close", close)
    encoder = Encoder(format_name, 24_000)
    with ThreadPoolExecutor(2) as threads:
        encoding = threads.submit(encoder.encode, tone(5.0, 24_000))
        assert has_begun.wait(10)
        closing = threads.submit(encoder.close)
        wait([closing], timeout=0.05)
        may_go_on.set()
        assert encoding.result(10)
        closing.result(10)
    assert happened == ["encoded", "closed"]
    assert encoder.encode(tone(1.0, 24_000)) == b"", "late, and for nobody"


@pytest.mark.parametrize("format_name", ["mp3", "opus", "aac", "flac"])
def test_one_long_piece_gives_the_bytes_of_many_short_ones(format_name: str) -> None:
    pcm = tone(20.3, 24_000)
    cut = 2 * 24_000
    pieces = [pcm[start : start + cut] for start in range(0, len(pcm), cut)]
    assert b"".join(encoded(format_name, 24_000, pieces)) == b"".join(
        encoded(format_name, 24_000, [pcm])
    )


def test_a_wav_that_comes_at_once_tells_its_length() -> None:
    (data,) = encoded("wav", 24_000, [tone(1.0, 24_000)])
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (24_000, 24_000, 1)


def test_resampling_keeps_pitch_and_length_and_cuts_what_is_too_loud() -> None:
    pcm = resampled(tone(1.0, 22_050), 22_050, 48_000)
    samples = np.frombuffer(pcm, "<i2") / 32768
    assert len(samples) == 48_000
    assert pitch_of(samples, 48_000) == pytest.approx(440, abs=2)
    square = np.tile(np.repeat(np.array([32767, -32768], "<i2"), 20), 500)
    loud = np.frombuffer(resampled(square.tobytes(), 22_050, 24_000), "<i2")
    assert not np.any(np.abs(np.diff(loud.astype(int))) > 65_000)


@pytest.mark.parametrize("tempo", [0.25, 0.4, 0.9, 1.0, 1.7, 2.5, 4.0])
def test_another_tempo_keeps_the_pitch(tempo: float) -> None:
    pcm = with_tempo(tone(2.0, 22_050), 22_050, tempo)
    samples = np.frombuffer(pcm, "<i2") / 32768
    assert len(samples) / 22_050 * tempo == pytest.approx(2.0, rel=0.05)
    assert pitch_of(samples, 22_050) == pytest.approx(440, abs=5)
    assert with_tempo(b"", 22_050, tempo) == b""
