"""The first bytes of an upload in, its container out. Names and MIME types count nothing.

What is not listed here is never handed to FFmpeg, which would also open playlists, protocols and
hundreds of formats that nobody sends.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from serve_app.audio.codecs.source import Source
from serve_app.errors import UnsupportedFormatError


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of file that is accepted."""

    title: str
    """As clients read it."""
    demuxer: str
    """FFmpeg's name of the only demuxer that may read it."""
    declares_length: bool = False
    """Whether its header is to be believed when it says that the audio is too long."""
    probe_bytes: int = 32_768
    """How much FFmpeg may read ahead to learn what its header leaves open."""


WAV = Container("WAV", "wav", probe_bytes=4_096)  # all of it goes into looking for hidden DTS
W64 = Container("W64", "w64", probe_bytes=4_096)
AIFF = Container("AIFF", "aiff")
AU = Container("AU", "au")
CAF = Container("CAF", "caf")
FLAC = Container("FLAC", "flac", declares_length=True)
MP3 = Container("MP3", "mp3")
AAC = Container("AAC", "aac")
OGG = Container("OGG", "ogg")
MP4 = Container("MP4", "mov", declares_length=True)
MATROSKA = Container("WebM", "matroska", declares_length=True)
AMR = Container("AMR", "amr")

SUPPORTED = (
    "WAV (PCM, G.711, ADPCM, GSM)",
    "FLAC",
    "MP3",
    "OGG (Opus, Vorbis, FLAC, Speex)",
    "M4A/MP4 (AAC, ALAC)",
    "AAC",
    "WebM/Matroska (Opus, Vorbis)",
    "AMR-NB",
    "AMR-WB",
    "AIFF",
    "AU",
    "CAF",
    "W64",
)
"""What the text of a refusal lists."""

DECODERS = (
    *("aac", "alac", "amrnb", "amrwb", "flac", "gsm", "gsm_ms"),
    *("mp1float", "mp2float", "mp3float", "opus", "speex", "vorbis"),
    *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "g722", "g726"),
    *("pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8"),
    *("pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s16be", "pcm_s16le"),
    *("pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le"),
)
"""FFmpeg's names of the decoders that may run, whatever container asks for them."""

_SIGNATURES = (
    (b".snd", AU),
    (b"caff", CAF),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"\x1aE\xdf\xa3", MATROSKA),
    (b"#!AMR\n", AMR),
    (b"#!AMR-WB\n", AMR),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", W64),
)
_STRANGERS = (
    (b"#EXTM3U", "a playlist (M3U)"),
    (b"[playlist]", "a playlist (PLS)"),
    (b"ffconcat", "a playlist (ffconcat)"),
    (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
    (b"MThd", "MIDI"),
    (b"FLV", "Flash video"),
    (b"RIFF", "a RIFF file that is no WAV"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"<", "text (HTML or XML)"),
    (b"{", "text (JSON)"),
    (b"data:", "text (a data URL)"),
)
_MP4_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"wide"))
_HIDDEN_IN_MP4 = (
    (b"iacb\x01", "immersive audio (IAMF) in MP4"),
    (b"dcomzlib", "an MP4 with a compressed header"),
)
"""What FFmpeg's demuxer would parse by itself, whatever codecs are allowed. Compressed headers can
hide the first, and be far larger than they look."""
_JUNK_BYTES = 8192
"""How far in an MPEG frame is looked for: a piece cut out of a radio stream begins anywhere."""
_FRAMES_IN_JUNK = 3
_ID3_HEADER_BYTES = 10
_MAX_TAGS = 16
"""In front of one file; writers leave one, careless ones two."""
_OGG_PAGE_HEADER_BYTES = 27


def sniff(data: Source) -> Container:
    """The container that `data` begins like.

    Raises:
        UnsupportedFormatError: none that is accepted.
    """
    start = _id3_bytes(data)
    head = data[start : start + 64]
    for signature, container in _SIGNATURES:
        if head.startswith(signature):
            return container
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[4:8] in _MP4_BOXES:
        _refuse_hidden(data)
        return MP4
    for signature, title in _STRANGERS:
        if head.startswith(signature):
            raise UnsupportedFormatError(title, SUPPORTED)
    mpeg = _sniff_mpeg(data)
    if mpeg is None:
        raise UnsupportedFormatError("this upload (no known audio format)", SUPPORTED)
    return mpeg


def _refuse_hidden(data: Source) -> None:
    for mark, title in _HIDDEN_IN_MP4:
        if data.find(mark) >= 0:
            raise UnsupportedFormatError(title, SUPPORTED)


def ogg_links(data: Source) -> Iterator[tuple[int, int]]:
    """Begin and end of the parts of a chained OGG, each a file of its own: FFmpeg loses those that
    change rate.

    A part begins with pages that begin a stream, as no page after them does (RFC 3533, 4 and 6).
    """
    link_start, page, in_headers = 0, data.find(b"OggS"), True
    while page >= 0 and page + _OGG_PAGE_HEADER_BYTES <= len(data):
        head = data[page : page + _OGG_PAGE_HEADER_BYTES]
        begins_a_stream = bool(head[5] & 2)
        if begins_a_stream and not in_headers:
            yield link_start, page
            link_start = page
        in_headers = begins_a_stream
        num_segments = head[26]
        body = page + _OGG_PAGE_HEADER_BYTES + num_segments
        page = data.find(b"OggS", body + sum(data[body - num_segments : body]))
    yield link_start, len(data)


def _id3_bytes(data: Source) -> int:
    """The length of the ID3v2 tags in front, which any format may wear."""
    start = 0
    for _ in range(_MAX_TAGS):
        if data[start : start + 3] != b"ID3" or len(data) < start + _ID3_HEADER_BYTES:
            break
        size = data[start + 6 : start + 10]
        start += _ID3_HEADER_BYTES + sum(
            (byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True)
        )
    return start


def _sniff_mpeg(data: Source) -> Container | None:
    """MP3 or AAC: neither has a signature, only frames whose headers follow one another."""
    tag_bytes = _id3_bytes(data)
    start = tag_bytes
    for _ in range(_JUNK_BYTES):
        start = data.find(b"\xff", start, tag_bytes + _JUNK_BYTES)
        if start < 0:
            break
        for container, frame_bytes in ((MP3, _mp3_frame_bytes), (AAC, _adts_frame_bytes)):
            at, num_frames = start, 0
            while num_frames < _FRAMES_IN_JUNK and (size := frame_bytes(data[at : at + 7])):
                at, num_frames = at + size, num_frames + 1
            ends_the_upload = start == tag_bytes and num_frames > 0 and at >= len(data)
            if num_frames == _FRAMES_IN_JUNK or ends_the_upload:
                return container
        start += 1
    return MP3 if tag_bytes > 0 else None


_KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (MPEG-2.5 counts as 2) and layer: ISO/IEC 11172-3 and 13818-3, table of bit rates."""
_MPEG1_HZ = (44_100, 48_000, 32_000)


def _mp3_frame_bytes(header: bytes) -> int:
    """The length of the MPEG audio frame that `header` begins; 0 if it begins none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version_bits, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, hz_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version_bits == 1 or layer == 4 or rate_index in (0, 15) or hz_index == 3:
        return 0
    version = 1 if version_bits == 3 else 2
    hz = _MPEG1_HZ[hz_index] // {3: 1, 2: 2, 0: 4}[version_bits]
    bps = _KBPS[version, layer][rate_index] * 1000
    if layer == 1:
        return (12 * bps // hz + padding) * 4
    return (72 if (version, layer) == (2, 3) else 144) * bps // hz + padding


def _adts_frame_bytes(header: bytes) -> int:
    """The length of the AAC frame that `header` begins; 0 if it begins none."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 and header[2] >> 2 & 15 < 13 else 0
