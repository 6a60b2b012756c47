"""WAV and its kin, where every number in the header may lie."""

import struct

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.audio.audio_files import encode, speechlike
from tests.hostile.table.rows import (
    CLIP,
    WAV,
    Bad,
    after,
    empty,
    forgiven,
    strange,
    too_long,
    undecodable,
    with_value,
)

FMT, PCM = WAV[12:36], WAV[44:]
_SECOND = encode(speechlike(1.0, 8_000), 8_000, "WAV", "PCM_16")


def _chunk(name: bytes, body: bytes, num_bytes: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if num_bytes is None else num_bytes) + body


def _riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _format(
    tag: int,
    *,
    num_channels: int = 1,
    rate_hz: int = 16_000,
    block_bytes: int = 2,
    bits: int = 16,
    rest: bytes = b"",
) -> bytes:
    head = (tag, num_channels, rate_hz, rate_hz * block_bytes & 0xFFFFFFFF, block_bytes, bits)
    return _chunk(b"fmt ", struct.pack("<HHIIHH", *head) + rest)


def _adpcm(subtype: str, offset: int, form: str, value: int) -> bytes:
    return with_value(encode(speechlike(2.0, 8_000), 8_000, "WAV", subtype), offset, form, value)


def _adpcm_body(subtype: str, fill: bytes) -> bytes:
    data = encode(speechlike(2.0, 8_000), 8_000, "WAV", subtype)
    start = data.index(b"data") + 8
    return data[:start] + fill * (len(data) - start)


def _floats(*values: float, rate_hz: int = SAMPLE_RATE_HZ, subtype: str = "FLOAT") -> bytes:
    return encode(np.float64([0.1] * 50_000 + list(values)), rate_hz, "WAV", subtype)


def _aiff() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "AIFF", "PCM_16")


def _au() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "AU", "PCM_16")


def _caf() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "CAF", "PCM_16")


def _w64() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "W64", "PCM_16")


def _rf64() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "RF64", "PCM_16")


SIZES = (
    forgiven("a WAV whose RIFF size is 0", lambda: with_value(WAV, 4, "<I", 0)),
    forgiven("a WAV whose RIFF size is 0xFFFFFFFF", lambda: with_value(WAV, 4, "<I", 0xFFFFFFFF)),
    forgiven("a WAV whose data size is 0", lambda: with_value(WAV, 40, "<I", 0)),
    forgiven("a WAV whose data size is 0xFFFFFFFF", lambda: with_value(WAV, 40, "<I", 0xFFFFFFFF)),
    forgiven("a WAV that promises more than it has", lambda: with_value(WAV, 40, "<I", 10**6)),
    undecodable("a WAV whose format takes 0 bytes", lambda: with_value(WAV, 16, "<I", 0)),
    undecodable("a WAV whose format takes 4 GB", lambda: with_value(WAV, 16, "<I", 0xFFFFFFFF)),
    forgiven("a WAV whose format is a byte short", lambda: with_value(WAV, 16, "<I", 15)),
    undecodable("a WAV without a format", lambda: _riff(_chunk(b"data", PCM))),
    undecodable("a WAV without data", lambda: _riff(FMT)),
    forgiven("a WAV with its data first", lambda: _riff(_chunk(b"data", PCM), FMT)),
    forgiven("a WAV with two formats", lambda: _riff(FMT, _SECOND[12:36], _chunk(b"data", PCM))),
    forgiven(
        "a WAV with a list of 4 GB behind its data", lambda: WAV + _chunk(b"LIST", b"x", 0xFFFFFFFF)
    ),
    undecodable(
        "a WAV with a list of 4 GB before its data",
        lambda: _riff(FMT, _chunk(b"LIST", b"x", 0xFFFFFFFE), _chunk(b"data", PCM)),
    ),
    forgiven(
        "a WAV with a million empty chunks",
        lambda: _riff(FMT, _chunk(b"junk", b"") * 10**6, _chunk(b"data", PCM)),
    ),
    forgiven("an RF64 of 2^64 bytes", lambda: after(_rf64(), b"ds64", 4, "<QQ", -1 % 2**64, 2**62)),
    undecodable("an RF64 without its sizes", lambda: b"RF64\xff\xff\xff\xffWAVE" + WAV[12:]),
    undecodable(
        "a W64 whose data takes 2^63 bytes", lambda: after(_w64(), b"data", 12, "<Q", 2**63)
    ),
    empty("a WAV that ends where its samples begin", lambda: WAV[:44]),
)

NUMBERS = (
    undecodable("a WAV of no channels", lambda: with_value(WAV, 22, "<H", 0)),
    undecodable("a WAV of 65 channels", lambda: with_value(WAV, 22, "<H", 65)),
    undecodable("a WAV of 65,535 channels", lambda: with_value(WAV, 22, "<H", 65_535)),
    undecodable("a WAV at 0 Hz", lambda: with_value(WAV, 24, "<I", 0)),
    undecodable("a WAV at 1 Hz", lambda: with_value(WAV, 24, "<I", 1)),
    undecodable("a WAV at 4 GHz", lambda: with_value(WAV, 24, "<I", 4_000_000_000)),
    strange("a WAV of 0 bits", lambda: with_value(WAV, 34, "<H", 0)),
    strange("a WAV of 65,535 bits", lambda: with_value(WAV, 34, "<H", 65_535)),
    forgiven("a WAV whose block takes 0 bytes", lambda: with_value(WAV, 32, "<H", 0)),
    forgiven("a WAV whose block takes 65,535 bytes", lambda: with_value(WAV, 32, "<H", 65_535)),
    forgiven("a WAV of 4 GB a second", lambda: with_value(WAV, 28, "<I", 0xFFFFFFFF)),
    strange("a WAV of an unknown codec", lambda: with_value(WAV, 20, "<H", 0x0161)),
    strange(
        "an extensible WAV of an unknown kind",
        lambda: _riff(_format(0xFFFE, rest=bytes([22, 0]) + b"\xff" * 22), _chunk(b"data", PCM)),
    ),
    strange(
        "an extensible WAV without its extension",
        lambda: _riff(_format(0xFFFE, rest=bytes(2)), _chunk(b"data", PCM)),
    ),
    undecodable("a WAV with a NaN", lambda: _floats(float("nan"))),
    undecodable("a WAV with an infinite sample", lambda: _floats(float("-inf"))),
    undecodable(
        "a WAV of doubles beyond single precision", lambda: _floats(1e300, subtype="DOUBLE")
    ),
    undecodable(
        "a WAV whose samples overflow when they are resampled",
        lambda: _floats(*[3.4e38, -3.4e38] * 500, rate_hz=44_100),
    ),
    forgiven("a WAV of denormal samples", lambda: _floats(*[1e-45] * 50_000)),
)

CODECS = (
    forgiven("IMA ADPCM in blocks of 0 bytes", lambda: _adpcm("IMA_ADPCM", 32, "<H", 0)),
    undecodable("IMA ADPCM in blocks of 1 byte", lambda: _adpcm("IMA_ADPCM", 32, "<H", 1)),
    forgiven("IMA ADPCM in blocks of 64 KB", lambda: _adpcm("IMA_ADPCM", 32, "<H", 65_535)),
    undecodable("IMA ADPCM of no channels", lambda: _adpcm("IMA_ADPCM", 22, "<H", 0)),
    undecodable("IMA ADPCM of 65,535 channels", lambda: _adpcm("IMA_ADPCM", 22, "<H", 65_535)),
    undecodable("IMA ADPCM of 0 bits", lambda: _adpcm("IMA_ADPCM", 34, "<H", 0)),
    forgiven("IMA ADPCM of 2 bits", lambda: _adpcm("IMA_ADPCM", 34, "<H", 2)),
    forgiven("IMA ADPCM of 65,535 samples a block", lambda: _adpcm("IMA_ADPCM", 38, "<H", 65_535)),
    undecodable("IMA ADPCM with steps beyond its table", lambda: _adpcm_body("IMA_ADPCM", b"\xff")),
    undecodable("MS ADPCM in blocks of 1 byte", lambda: _adpcm("MS_ADPCM", 32, "<H", 1)),
    undecodable(
        "MS ADPCM with predictors beyond its table", lambda: _adpcm_body("MS_ADPCM", b"\xff")
    ),
    undecodable("GSM in blocks of 1 byte", lambda: _adpcm("GSM610", 32, "<H", 1)),
    forgiven("GSM of zeros", lambda: _adpcm_body("GSM610", b"\x00")),
    undecodable(
        "G.726 of 0 bits",
        lambda: _riff(_format(0x0045, rate_hz=8000, bits=0), _chunk(b"data", PCM)),
    ),
    undecodable(
        "PCM that says it is MP3", lambda: _riff(_format(0x0055), _chunk(b"data", bytes(60_000)))
    ),
    strange("a WAV with video's codec", lambda: _riff(_format(0x2001), _chunk(b"data", PCM))),
)

KIN = (
    undecodable("an AIFF of no channels", lambda: after(_aiff(), b"COMM", 4, ">H", 0)),
    undecodable("an AIFF of 2^32 frames", lambda: after(_aiff(), b"COMM", 6, ">I", 0xFFFFFFFF)),
    undecodable(
        "an AIFF at an infinite rate", lambda: after(_aiff(), b"COMM", 12, ">HQ", 0x7FFF, 0)
    ),
    undecodable("an AIFF at 0 Hz", lambda: after(_aiff(), b"COMM", 12, ">HQ", 0, 0)),
    undecodable("an AU of no channels", lambda: with_value(_au(), 20, ">I", 0)),
    undecodable("an AU at 0 Hz", lambda: with_value(_au(), 16, ">I", 0)),
    forgiven("an AU whose header takes 4 GB", lambda: with_value(_au(), 4, ">I", 0xFFFFFFFF)),
    undecodable("an AU of an unknown encoding", lambda: with_value(_au(), 12, ">I", 999)),
    undecodable(
        "a CAF at a rate that is no number", lambda: with_value(_caf(), 20, ">Q", 0x7FF8 << 48)
    ),
    undecodable("a CAF at an infinite rate", lambda: with_value(_caf(), 20, ">Q", 0x7FF0 << 48)),
    undecodable("a CAF at a negative rate", lambda: with_value(_caf(), 20, ">d", -16_000.0)),
    undecodable("a CAF of no channels", lambda: with_value(_caf(), 44, ">I", 0)),
    undecodable("a CAF with a chunk of a negative size", lambda: with_value(_caf(), 12, ">q", -2)),
    too_long("a WAV of 601 seconds", lambda: encode(np.zeros(601 * 8_000, np.int16), 8_000, "WAV")),
)

ROWS: tuple[Bad, ...] = SIZES + NUMBERS + CODECS + KIN
