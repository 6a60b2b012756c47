"""Compressed formats and their containers, in which lengths, tables and links may lie."""

import io
import struct
from functools import cache

import av
import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.audio.audio_files import encode, encode_av, speechlike
from tests.hostile.table.rows import (
    CLIP,
    Bad,
    after,
    forgiven,
    strange,
    too_long,
    undecodable,
    with_value,
)

NOISE = np.random.default_rng(3).bytes(50_000)
UPLOAD_BYTES = 25_000_000


@cache
def _flac() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "FLAC")


@cache
def _mp3() -> bytes:
    return encode(speechlike(2.0, 44_100), 44_100, "MP3")


@cache
def _vorbis(rate_hz: int = 44_100) -> bytes:
    return encode(speechlike(2.0, rate_hz), rate_hz, "OGG", "VORBIS")


@cache
def _opus(*, container: str = "ogg") -> bytes:
    return encode_av(speechlike(2.0, 48_000), 48_000, container, "libopus")


@cache
def _m4a() -> bytes:
    return encode_av(speechlike(2.0, 44_100), 44_100, "ipod", "aac")


@cache
def _video(container: str) -> bytes:
    """Pictures and no sound."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("mpeg4" if container == "mp4" else "libvpx", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


@cache
def _silence_as_flac(*, tells_its_length: bool) -> bytes:
    """25 MB: some 138 hours. A frame of silence is the same but for its number."""
    hour = encode(np.zeros(3600 * 8_000, np.int16), 8_000, "FLAC")
    head, frames = hour[:86], hour[86:]
    data = head + frames * (UPLOAD_BYTES // len(frames))
    num_samples = 138 * 3600 * 8_000 if tells_its_length else 0
    (packed,) = struct.unpack_from(">Q", data, 18)
    return with_value(data, 18, ">Q", packed >> 36 << 36 | num_samples)


@cache
def _silence_as_opus() -> bytes:
    """25 MB: some 31 hours, in links of a minute."""
    silence = np.zeros(60 * 48_000, np.float32)
    link = encode_av(silence, 48_000, "ogg", "libopus")
    return link * (UPLOAD_BYTES // len(link))


def _ogg_page(flags: int, body: bytes, serial: int = 1) -> bytes:
    lacing = bytes([len(body)])
    return (
        b"OggS"
        + bytes([0, flags])
        + bytes(8)
        + struct.pack("<III", serial, 0, 0)
        + b"\x01"
        + lacing
        + body
    )


def _opus_head(*, version: int = 1, num_channels: int = 1, family: int = 0) -> bytes:
    head = b"OpusHead" + bytes([version, num_channels]) + struct.pack("<HIhB", 0, 48_000, 0, family)
    return _opus().replace(_opus()[28 : 28 + 19], head, 1)


def _box(name: bytes, body: bytes, num_bytes: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(body) if num_bytes is None else num_bytes) + name + body


FTYP = _box(b"ftyp", b"M4A \0\0\0\0M4A mp42isom")


def _nested(depth: int) -> bytes:
    """Boxes in boxes; built from the inside."""
    sizes = [8 * (depth - level) for level in range(depth)]
    return FTYP + b"".join(struct.pack(">I", size) + b"moov" for size in sizes)


EBML = b"\x1aE\xdf\xa3"

FLAC = (
    too_long(
        "25 MB of silence as FLAC, 138 hours", lambda: _silence_as_flac(tells_its_length=True)
    ),
    too_long(
        "25 MB of silence as FLAC that hides its length",
        lambda: _silence_as_flac(tells_its_length=False),
    ),
    too_long("a FLAC that says it lasts a year", lambda: with_value(_flac(), 22, ">I", 0xFFFFFFFF)),
    undecodable("a FLAC of nothing but noise", lambda: _flac()[:86] + NOISE),
    forgiven("a FLAC at 0 Hz", lambda: with_value(_flac(), 18, ">H", 0)),
    undecodable(
        "a FLAC with a tag of 16 MB", lambda: _flac()[:43] + b"\xff\xff\xff" + _flac()[46:]
    ),
    forgiven(
        "a FLAC whose picture lies about its size",
        lambda: _flac()[:4] + _flac()[4:42] + b"\x86\0\0\x20" + b"\xff" * 32 + _flac()[42:],
    ),
    undecodable("a FLAC with blocks of no samples", lambda: with_value(_flac(), 8, ">HH", 0, 0)),
)

MPEG = (
    undecodable("an MP3 tag of 256 MB", lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + _mp3()),
    undecodable("a tag and then noise", lambda: b"ID3\x04\0\0\0\0\0\x7f" + NOISE),
    forgiven("two million empty tags", lambda: b"ID3\x04\0\0\0\0\0\0" * 2_000_000 + _mp3()),
    undecodable("two million empty tags and nothing", lambda: b"ID3\x04\0\0\0\0\0\0" * 2_000_000),
    strange("sync words and nothing else", lambda: b"\xff\xfb" * 100_000),
    forgiven("an MP3 with noise in every frame", lambda: _scattered(_mp3())),
    strange("an AAC of nothing but headers", lambda: b"\xff\xf1\x50\x80\x00\xff\xfc" * 9_999),
)


def _scattered(data: bytes) -> bytes:
    """A noisy byte in each two hundred."""
    mutant = bytearray(data)
    for index in range(100, len(mutant), 200):
        mutant[index] ^= 0xA5
    return bytes(mutant)


OGG = (
    too_long("25 MB of silence as Opus, 31 hours", _silence_as_opus),
    forgiven("a chain whose rate changes", lambda: _vorbis() + _vorbis(22_050)),
    forgiven("a chain whose codec changes", lambda: _vorbis() + _opus()),
    forgiven("a chain that ends in noise", lambda: _vorbis() + b"OggS" + NOISE),
    undecodable(
        "a chain of a recording and two hundred thousand beginnings",
        lambda: _vorbis() + _beginnings(200_000),
    ),
    undecodable("a chain of two hundred thousand beginnings", lambda: _beginnings(200_000)),
    undecodable("an OGG of noise", lambda: b"OggS" + NOISE),
    undecodable("an OGG page of nothing, again and again", lambda: _ogg_page(2, b"") * 99_999),
    undecodable("an OGG of an unknown codec", lambda: _ogg_page(2, b"\x80nobody knows") * 3),
    undecodable("an Opus of version 255", lambda: _opus_head(version=255)),
    undecodable("an Opus of no channels", lambda: _opus_head(num_channels=0)),
    undecodable("an Opus of 255 channels", lambda: _opus_head(num_channels=255, family=255)),
    undecodable("a Vorbis whose setup is noise", lambda: _vorbis()[:58] + NOISE),
    undecodable("a Vorbis of 255 channels", lambda: after(_vorbis(), b"\x01vorbis", 4, "B", 255)),
    undecodable("a Vorbis at 0 Hz", lambda: after(_vorbis(), b"\x01vorbis", 5, "<I", 0)),
)


def _beginnings(count: int) -> bytes:
    """Links of a chain, each two pages that hold nothing."""
    return (_ogg_page(2, b"x") + _ogg_page(0, b"x")) * count


MP4 = (
    undecodable("an M4A cut before its index", lambda: _m4a()[: len(_m4a()) // 2]),
    undecodable(
        "an M4A whose index takes 4 GB", lambda: after(_m4a(), b"stsz", 8, ">I", 0xFFFFFFFF)
    ),
    forgiven("an M4A of 2^32 chunks", lambda: after(_m4a(), b"stco", 4, ">I", 0xFFFFFFFF)),
    undecodable(
        "an M4A whose times take 4 GB",
        lambda: after(_m4a(), b"stts", 4, ">I", 0xFFFFFFFF),
        kills=True,
    ),
    forgiven(
        "an M4A that says it lasts ages", lambda: after(_m4a(), b"mvhd", 16, ">I", 0x7FFFFFFF)
    ),
    undecodable("an M4A in a hundred thousand boxes", lambda: _nested(100_000)),
    undecodable("an M4A of one endless box", lambda: FTYP + _box(b"moov", b"", 1) + b"\xff" * 8),
    undecodable("an M4A of boxes of no size", lambda: FTYP + _box(b"free", b"", 0) * 9_999),
    strange("an M4A with immersive audio (IAMF)", lambda: _m4a().replace(b"esds\0", b"iacb\1")),
    strange(
        "an M4A whose header is compressed",
        lambda: (
            FTYP
            + _box(b"moov", _box(b"cmov", _box(b"dcom", b"zlib") + _box(b"cmvd", b"\0\1\0\0x")))
            + _m4a()
        ),
    ),
    forgiven("an M4A that says it is encrypted", lambda: _m4a().replace(b"mp4a", b"enca")),
    strange("an MP4 without sound", lambda: _video("mp4")),
    strange(
        "an M4A whose sound lies in another file",
        lambda: _elsewhere(b"file:///etc/passwd\0"),
    ),
)


def _elsewhere(url: bytes) -> bytes:
    """With a data reference to `url` where there was one to the file itself."""
    own = _box(b"url ", b"\0\0\0\1")
    return _m4a().replace(own, _box(b"url ", b"\0\0\0\0" + url), 1)


MATROSKA = (
    undecodable("a Matroska of noise", lambda: EBML + NOISE),
    undecodable("a Matroska of endless elements", lambda: EBML + b"\x01" + b"\xff" * 999),
    undecodable(
        "a Matroska of ten thousand levels",
        lambda: EBML + b"\x80" + b"\x18\x53\x80\x67\xff" * 9_999,
    ),
    strange("a WebM without sound", lambda: _video("webm")),
    strange(
        "a WebM of an unknown codec",
        lambda: _opus(container="webm").replace(b"A_OPUS", b"A_NONE"),
    ),
    undecodable("an AMR of noise", lambda: b"#!AMR\n" + b"\xff" * 999),
    undecodable("an AMR of empty frames", lambda: b"#!AMR\n" + b"\x7c" * 20_000),
)

ROWS: tuple[Bad, ...] = FLAC + MPEG + OGG + MP4 + MATROSKA
