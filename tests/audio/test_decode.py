"""Every accepted format comes back as it went in; everything else comes back as a clear error."""

import contextlib
import struct
from collections.abc import Callable

import numpy as np
import pytest
import soxr

from serve_app.audio.decode import Channel, decode_blocks
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.errors import (
    AudioTooLongError,
    EmptyAudioError,
    InvalidOptionError,
    SpeechError,
    UndecodableAudioError,
    UnsupportedFormatError,
)
from tests.audio.audio_files import FORMATS, Signal, encode, encode_av, speechlike

CLIP = speechlike(2.0, SAMPLE_RATE_HZ)


def decode(data: bytes, channel: Channel = "mix", max_audio_s: float = 100.0) -> Pcm:
    return np.concatenate(list(decode_blocks(data, channel=channel, max_audio_s=max_audio_s)))


def snr_db(heard: Signal, said: Signal) -> float:
    """Of what was heard, wherever in it and however loud what was said begins."""
    size = 1 << (len(heard) + len(said)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)))
    lag -= size if lag > size // 2 else 0
    heard, said = heard[max(lag, 0) :], said[max(-lag, 0) :]
    heard, said = heard[: len(said)], said[: len(heard)]
    said = said * (heard @ said) / (said @ said)
    return float(10 * np.log10((said @ said) / ((heard - said) @ (heard - said))))


@pytest.mark.parametrize("title", FORMATS)
def test_every_format_comes_back_as_it_went_in(title: str) -> None:
    encoder, rate_hz, least_snr_db = FORMATS[title]
    pcm = decode(encoder(speechlike(2.0, rate_hz), rate_hz))
    assert abs(len(pcm) / SAMPLE_RATE_HZ - 2.0) < 0.060
    assert snr_db(pcm / np.float32(32768), CLIP) > least_snr_db


def test_sixteen_bits_at_sixteen_kilohertz_are_not_touched() -> None:
    samples = np.arange(-32768, 32768, dtype=np.int16)
    assert np.array_equal(decode(encode(samples, SAMPLE_RATE_HZ, "WAV", "PCM_16")), samples)


def test_samples_beyond_full_scale_are_clipped() -> None:
    pcm = decode(encode(np.float32([2.0, -2.0, 0.5, 1.0]), SAMPLE_RATE_HZ, "WAV", "FLOAT"))
    assert pcm.tolist() == [32767, -32768, 16384, 32767]


def test_channels_are_averaged_or_picked() -> None:
    left, right = speechlike(1.0, SAMPLE_RATE_HZ), speechlike(1.0, SAMPLE_RATE_HZ, seed=1)
    data = encode(np.stack([left, right], axis=1), SAMPLE_RATE_HZ, "WAV", "FLOAT")
    for channel, expected in (("mix", (left + right) / 2), (0, left), (1, right)):
        assert np.abs(decode(data, channel) - expected * 32768).max() <= 1


@pytest.mark.parametrize("num_channels", [7, 8])
@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("FLAC", "PCM_16")])
def test_surround_sound_is_read_plane_by_plane(
    container: str, subtype: str, num_channels: int
) -> None:
    """PyAV's own way to samples reads beyond FFmpeg's table of planes where there are eight."""
    channels = [speechlike(1.0, 48_000, seed=seed) for seed in range(num_channels)]
    data = encode(np.stack(channels, axis=1), 48_000, container, subtype)
    said = soxr.resample(channels[0], 48_000, SAMPLE_RATE_HZ)
    assert snr_db(decode(data, 0) / np.float32(32768), said) > 15
    assert len(decode(data, num_channels - 1)) == len(decode(data)) == SAMPLE_RATE_HZ


@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_that_is_not_there_is_named(channel: int) -> None:
    data = encode(np.zeros((100, 2), np.float32), SAMPLE_RATE_HZ, "WAV", "FLOAT")
    with pytest.raises(InvalidOptionError, match="channels 0 to 1") as caught:
        decode(data, channel)
    assert caught.value.param == "channel"


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_blocks_join_without_a_seam(rate_hz: int) -> None:
    signal = np.random.default_rng(rate_hz).normal(0, 0.1, 4 * rate_hz + 123).astype(np.float32)
    at_once = soxr.resample(signal, rate_hz, SAMPLE_RATE_HZ, quality="HQ") * 32768
    pcm = decode(encode(signal, rate_hz, "WAV", "FLOAT"))
    assert len(pcm) == len(at_once)
    assert np.abs(pcm - at_once).max() <= 1


def test_blocks_last_about_a_second() -> None:
    blocks = list(decode_blocks(encode(speechlike(7.3, 44_100), 44_100, "FLAC")))
    assert len(blocks) <= 9
    assert all(len(block) / SAMPLE_RATE_HZ < 1.2 for block in blocks)
    assert all(block.dtype == np.int16 for block in blocks)


def test_a_chain_of_streams_is_read_whole_though_its_rate_changes() -> None:
    for codec, rates_hz in (("VORBIS", (44_100, 22_050)), ("OPUS", (48_000, 48_000))):
        links = [encode(speechlike(2.0, rate_hz), rate_hz, "OGG", codec) for rate_hz in rates_hz]
        pcm = decode(b"".join(links)) / np.float32(32768)
        assert abs(len(pcm) / SAMPLE_RATE_HZ - 4.0) < 0.1
        half = len(pcm) // 2
        assert snr_db(pcm[:half], CLIP) > 15
        assert snr_db(pcm[half:], CLIP) > 15
        cut = links[0] + links[1][:50]
        assert len(decode(cut)) == len(decode(links[0]))


WAV = encode(CLIP, SAMPLE_RATE_HZ, "WAV", "PCM_16")


@pytest.mark.parametrize("riff_bytes", [0, 8, 36, 0xFFFFFFFF, None])
@pytest.mark.parametrize("data_bytes", [0, 0xFFFFFFFF, 1_000_000])
def test_a_recorder_that_never_wrote_the_sizes_is_forgiven(
    riff_bytes: int | None, data_bytes: int
) -> None:
    wav = bytearray(WAV)
    wav[40:44] = struct.pack("<I", data_bytes)
    if riff_bytes is not None:
        wav[4:8] = struct.pack("<I", riff_bytes)
    assert len(decode(bytes(wav))) == len(CLIP)


@pytest.mark.parametrize(
    "title",
    ["WAV, 16 bits", "FLAC", "MP3", "OGG Opus", "OGG Vorbis", "AAC", "WebM, Opus", "AMR-NB"],
)
def test_an_upload_that_was_cut_short_is_decoded_up_to_the_cut(title: str) -> None:
    encoder, rate_hz, _ = FORMATS[title]
    data = encoder(speechlike(6.0, rate_hz), rate_hz)
    pcm = decode(data[: len(data) // 2])
    assert 1.0 < len(pcm) / SAMPLE_RATE_HZ < 4.0


@pytest.mark.parametrize("title", ["FLAC", "MP3", "OGG Opus", "AAC", "AMR-NB"])
def test_damage_in_the_middle_costs_little_around_it(title: str) -> None:
    encoder, rate_hz, _ = FORMATS[title]
    data = bytearray(encoder(speechlike(8.0, rate_hz), rate_hz))
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    assert 6.5 < len(decode(bytes(data))) / SAMPLE_RATE_HZ < 8.2


def test_tags_and_junk_in_front_of_an_mp3_do_no_harm() -> None:
    mp3 = FORMATS["MP3"][0](speechlike(2.0, 44_100), 44_100)
    tag = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
    for data in (tag + mp3, mp3[3001:], tag + tag + mp3):
        assert len(decode(data)) / SAMPLE_RATE_HZ > 1.5


def _float_wav(*values: float) -> bytes:
    return encode(np.float32([0.1] * 50_000 + list(values)), SAMPLE_RATE_HZ, "WAV", "FLOAT")


def _wav_with(offset: int, form: str, value: int) -> bytes:
    wav = bytearray(WAV)
    struct.pack_into(form, wav, offset, value)
    return bytes(wav)


_M4A = encode_av(speechlike(2.0, 44_100), 44_100, "ipod", "aac")
_NOISE = np.random.default_rng(3).bytes(50_000)

BAD_UPLOADS: dict[str, tuple[Callable[[], bytes], type[SpeechError], str]] = {
    "nothing": (lambda: b"", EmptyAudioError, "no audio samples"),
    "a WAV without samples": (lambda: encode(CLIP[:0], 16_000, "WAV"), EmptyAudioError, ""),
    "a FLAC without samples": (lambda: encode(CLIP[:0], 16_000, "FLAC"), SpeechError, ""),
    "random bytes": (lambda: _NOISE, UnsupportedFormatError, "known audio format"),
    "zeros": (lambda: bytes(10_000), UnsupportedFormatError, "known audio format"),
    "one byte": (lambda: b"\xff", UnsupportedFormatError, "accepted: WAV"),
    "text": (lambda: b"hello, this is text" * 99, UnsupportedFormatError, ""),
    "JSON": (lambda: b'{"error": "not found"}', UnsupportedFormatError, "JSON"),
    "HTML": (lambda: b"<!DOCTYPE html><html></html>", UnsupportedFormatError, "HTML"),
    "an M3U playlist": (lambda: b"#EXTM3U\nfile:///etc/passwd\n", UnsupportedFormatError, "M3U"),
    "an ffconcat playlist": (
        lambda: b"ffconcat version 1.0\nfile /etc/passwd\n",
        UnsupportedFormatError,
        "playlist",
    ),
    "an HLS playlist behind a tag": (
        lambda: b"ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\nhttp://localhost/\n",
        UnsupportedFormatError,
        "M3U",
    ),
    "an image": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), UnsupportedFormatError, "PNG"),
    "an AVI": (lambda: b"RIFF\x00\x00\x00\x00AVI LIST", UnsupportedFormatError, "RIFF"),
    "a tag and then noise": (
        lambda: b"ID3\x04\x00\x00\x00\x00\x00\x7f" + _NOISE,
        UndecodableAudioError,
        "MP3",
    ),
    "a WAV cut in its header": (lambda: WAV[:30], UndecodableAudioError, "cut short"),
    "a WAV of a strange codec": (
        lambda: _wav_with(20, "<H", 0x0161),
        UnsupportedFormatError,
        "codec",
    ),
    "a WAV at 0 Hz": (lambda: _wav_with(24, "<I", 0), UndecodableAudioError, ""),
    "a WAV at 4 GHz": (lambda: _wav_with(24, "<I", 4_000_000_000), UndecodableAudioError, ""),
    "a WAV of no channels": (lambda: _wav_with(22, "<H", 0), UndecodableAudioError, ""),
    "a WAV of 65,535 channels": (lambda: _wav_with(22, "<H", 65_535), UndecodableAudioError, ""),
    "a NaN": (lambda: _float_wav(float("nan")), UndecodableAudioError, "finite"),
    "an infinite sample": (lambda: _float_wav(float("-inf")), UndecodableAudioError, "finite"),
    "an M4A cut before its index": (
        lambda: _M4A[: len(_M4A) // 2],
        UndecodableAudioError,
        "cut short",
    ),
    "a FLAC with noise for a body": (
        lambda: encode(CLIP, 16_000, "FLAC")[:86] + _NOISE,
        UndecodableAudioError,
        "FLAC",
    ),
    "an OGG with noise for a body": (lambda: b"OggS" + _NOISE, UndecodableAudioError, "OGG"),
    "a Matroska with noise for a body": (
        lambda: b"\x1aE\xdf\xa3" + _NOISE,
        UndecodableAudioError,
        "WebM",
    ),
    "an AMR with noise for a body": (
        lambda: b"#!AMR\n" + b"\xff" * 999,
        UndecodableAudioError,
        "AMR",
    ),
}


@pytest.mark.parametrize("title", BAD_UPLOADS)
def test_a_bad_upload_is_a_clear_error(title: str) -> None:
    make, error, text = BAD_UPLOADS[title]
    with pytest.raises(error) as caught:
        decode(make())
    assert text in str(caught.value)
    assert "/" not in str(caught.value).replace("M4A/MP4", "").replace("WebM/Matroska", "")


@pytest.mark.parametrize("title", ["WAV, 16 bits", "FLAC", "M4A, AAC", "WebM, Opus", "MP3"])
def test_a_recording_longer_than_the_limit_is_refused(title: str) -> None:
    encoder, rate_hz, _ = FORMATS[title]
    data = encoder(speechlike(5.0, rate_hz), rate_hz)
    assert len(decode(data, max_audio_s=5.1)) > 0
    with pytest.raises(AudioTooLongError, match=r"longer than 2\.5 s"):
        decode(data, max_audio_s=2.5)


def test_a_header_that_says_too_long_is_believed_at_once() -> None:
    data = encode(np.zeros(600 * SAMPLE_RATE_HZ, np.int16), SAMPLE_RATE_HZ, "FLAC")
    with pytest.raises(AudioTooLongError) as caught:
        next(decode_blocks(data, max_audio_s=60))
    assert caught.value.duration_s == pytest.approx(600)


@pytest.mark.parametrize("title", ["WAV, 16 bits", "FLAC", "MP3", "OGG Opus", "M4A, AAC", "AMR-NB"])
def test_no_mutant_raises_anything_but_a_speech_error(title: str) -> None:
    encoder, rate_hz, _ = FORMATS[title]
    data = encoder(speechlike(0.5, rate_hz), rate_hz)
    rng = np.random.default_rng(7)
    for _ in range(40):
        mutant = bytearray(data[: rng.integers(1, len(data) + 1)])
        for position in rng.integers(0, min(len(mutant), 400), size=rng.integers(1, 8)):
            mutant[position] = rng.integers(0, 256)
        with contextlib.suppress(SpeechError):
            decode(bytes(mutant))
