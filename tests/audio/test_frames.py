"""Packets of live streams: whatever their sizes, the same samples come out."""

import base64
import random

import av
import numpy as np
import pytest

from serve_app.audio.frames import (
    MAX_DELAY_S,
    PACKET_RATES_HZ,
    Encoding,
    PacketDecoder,
    PacketFormat,
)
from serve_app.errors import UndecodableAudioError, UnsupportedFormatError

FORMATS = [
    *(PacketFormat(Encoding.PCM16, rate_hz) for rate_hz in PACKET_RATES_HZ),
    PacketFormat(Encoding.PCM16, 16_000, 2),
    PacketFormat(Encoding.PCM16, 48_000, 3),
    PacketFormat(Encoding.MULAW, 8_000),
    PacketFormat(Encoding.ALAW, 8_000),
    PacketFormat(Encoding.ALAW, 16_000, 2),
]


def tone(rate_hz: int, duration_s: float, num_channels: int = 1, freq_hz: float = 440.0) -> bytes:
    time_s = np.arange(round(rate_hz * duration_s)) / rate_hz
    samples = np.rint(8000 * np.sin(2 * np.pi * freq_hz * time_s)).astype("<i2")
    return np.repeat(samples, num_channels).tobytes()


def decoded(packet_format: PacketFormat, packets: list[bytes]) -> bytes:
    decoder = PacketDecoder(packet_format)
    return b"".join(map(decoder.decode, packets)) + decoder.flush()


@pytest.mark.parametrize("packet_format", FORMATS, ids=str)
def test_packets_of_any_sizes_give_the_same_samples(packet_format):
    rng = random.Random(1)
    whole = rng.randbytes(24_000)
    expected = decoded(packet_format, [whole])
    for seed in range(60):
        rng = random.Random(seed)
        packets, rest = [], whole
        while rest:
            num_bytes = rng.randrange(1, rng.choice([3, 100, 3_000, 20_000]))
            packets.append(rest[:num_bytes])
            rest = rest[num_bytes:]
        assert decoded(packet_format, packets) == expected


@pytest.mark.parametrize("rate_hz", PACKET_RATES_HZ)
def test_a_tone_stays_a_tone_at_any_rate(rate_hz):
    pcm = decoded(PacketFormat(rate_hz=rate_hz), [tone(rate_hz, 2.0)])
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    assert len(samples) == pytest.approx(32_000, abs=1)
    expected = np.frombuffer(tone(16_000, 2.0), dtype="<i2")[: len(samples)]
    middle = slice(2_000, 30_000)
    assert np.abs(samples - expected)[middle].max() < 20


def test_what_lies_above_half_the_rate_is_filtered_out():
    pcm = decoded(PacketFormat(rate_hz=48_000), [tone(48_000, 2.0, freq_hz=9_000)])
    assert np.abs(np.frombuffer(pcm, dtype="<i2"))[2_000:30_000].max() < 20


@pytest.mark.parametrize("packet_format", FORMATS, ids=str)
def test_no_more_than_the_known_delay_is_held_back(packet_format):
    sample_bytes = 2 if packet_format.encoding is Encoding.PCM16 else 1
    frame_bytes = sample_bytes * packet_format.num_channels
    decoder = PacketDecoder(packet_format)
    num_bytes = packet_format.rate_hz // 50 * frame_bytes
    num_heard = 0
    for num_packets in range(1, 200):
        num_heard += len(decoder.decode(bytes(num_bytes))) // 2
        held_s = num_packets * num_bytes / frame_bytes / packet_format.rate_hz - num_heard / 16_000
        assert held_s <= MAX_DELAY_S


def test_a_flush_gives_the_rest_and_begins_anew():
    decoder = PacketDecoder(PacketFormat(rate_hz=24_000))
    pcm = tone(24_000, 1.0)
    first = decoder.decode(pcm) + decoder.flush()
    second = decoder.decode(pcm) + decoder.flush()
    assert first == second
    assert len(first) == 32_000
    assert decoder.flush() == b""


@pytest.mark.parametrize(
    ("encoding", "codec"), [(Encoding.MULAW, "pcm_mulaw"), (Encoding.ALAW, "pcm_alaw")]
)
def test_every_byte_of_g711_means_what_ffmpeg_takes_it_for(encoding, codec):
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 16_000, "mono"
    every_byte = bytes(range(256))
    (frame,) = context.decode(av.Packet(every_byte))
    ours = decoded(PacketFormat(encoding, 16_000), [every_byte])
    assert ours == frame.to_ndarray().astype("<i2").tobytes()


def test_channels_are_averaged():
    frames = np.array([[100, 300], [-5, 5], [32767, 32767]], dtype="<i2")
    pcm = decoded(PacketFormat(num_channels=2), [frames.tobytes()])
    assert np.frombuffer(pcm, dtype="<i2").tolist() == [200, 0, 32767]


def test_base64_is_taken_and_nothing_else():
    decoder = PacketDecoder(PacketFormat())
    assert decoder.decode_base64(base64.b64encode(b"abcd").decode()) == b"abcd"
    for text in ["a", "====", "ab!d", "YWJ\n", "ä", "🎤" * 4]:
        with pytest.raises(UndecodableAudioError):
            decoder.decode_base64(text)


def test_a_packet_that_is_too_large_is_refused_in_either_form():
    decoder = PacketDecoder(PacketFormat(), max_packet_bytes=100)
    assert decoder.decode(bytes(100)) == bytes(100)
    with pytest.raises(UndecodableAudioError):
        decoder.decode(bytes(101))
    with pytest.raises(UndecodableAudioError):
        decoder.decode_base64(base64.b64encode(bytes(101)).decode())
    with pytest.raises(UndecodableAudioError):
        decoder.decode_base64("A" * 200)


@pytest.mark.parametrize(
    "packet_format",
    [PacketFormat(rate_hz=0), PacketFormat(rate_hz=2**32), PacketFormat(num_channels=0)],
)
def test_formats_that_are_not_taken_are_refused(packet_format):
    with pytest.raises(UnsupportedFormatError):
        PacketDecoder(packet_format)
