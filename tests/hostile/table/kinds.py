"""What is no audio at all, or two things at once, or not what its name says."""

import gzip
import io
import zipfile

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.audio.audio_files import encode
from tests.hostile.table.containers import NOISE
from tests.hostile.table.rows import CLIP, WAV, Bad, empty, forgiven, strange, undecodable

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(99)


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/cron.d/x", "* * * * * root true")
    return file.getvalue()


def _flac() -> bytes:
    return encode(CLIP, SAMPLE_RATE_HZ, "FLAC")


NOTHING = (
    empty("nothing", lambda: b""),
    strange("one byte", lambda: b"\xff"),
    strange("noise", lambda: NOISE),
    strange("zeros", lambda: bytes(10_000)),
    strange("25 MB of ones", lambda: b"\xff" * 25_000_000),
    strange("text", lambda: b"hello, this is text" * 99),
    strange("text in UTF-16", lambda: "hello".encode("utf-16") * 99),
    strange("JSON", lambda: b'{"error": "not found"}'),
    strange("a web page", lambda: b"<!DOCTYPE html><html></html>"),
    strange("XML with entities in entities", lambda: b'<!DOCTYPE x [<!ENTITY a "&b;&b;">]><x>&a;'),
    strange("an image", lambda: PNG),
    strange("a pickle", lambda: b"\x80\x04\x95cos\nsystem\n(S'true'\ntR."),
    strange("a script", lambda: b"#!/bin/sh\nexec true\n"),
    strange("a program", lambda: b"\x7fELF\x02\x01\x01" + bytes(999)),
)

PLAYLISTS = (
    strange("an M3U playlist of local files", lambda: b"#EXTM3U\nfile:///etc/passwd\n"),
    strange(
        "an HLS playlist",
        lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nconcat:/etc/passwd\n",
    ),
    strange(
        "an HLS playlist behind a tag", lambda: b"ID3\x04\0\0\0\0\0\0#EXTM3U\nhttp://localhost/\n"
    ),
    strange("a playlist of FFmpeg's", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n"),
    strange("a PLS playlist", lambda: b"[playlist]\nFile1=/etc/passwd\n"),
    strange(
        "a DASH manifest",
        lambda: b'<?xml version="1.0"?><MPD><BaseURL>file:///etc/</BaseURL></MPD>',
    ),
    strange(
        "a session description", lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"
    ),
    strange("a name of a file", lambda: b"/etc/passwd"),
    strange("an address", lambda: b"http://localhost:6379/"),
    strange("a protocol of FFmpeg's", lambda: b"subfile,,start,0,end,99,,:/etc/passwd"),
    strange("a data URL", lambda: b"data:audio/wav;base64,UklGRg=="),
)

STRANGERS = (
    strange("an AVI", lambda: b"RIFF\0\0\0\0AVI LIST" + NOISE),
    strange("immersive audio (IAMF)", lambda: b"\xf8\x06iamf\x00\x00" + NOISE),
    strange("Windows Media", lambda: b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel" + NOISE),
    strange("Flash video", lambda: b"FLV\x01\x05\0\0\0\x09" + NOISE),
    strange("MIDI", lambda: b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + bytes(99)),
    strange("an MPEG transport stream", lambda: (b"\x47\x40\0\x10" + bytes(184)) * 99),
    strange("a module with its own samples", lambda: b"Extended Module: " + bytes(999)),
    strange("raw G.722", lambda: bytes([0x12, 0x34]) * 9_999),
    strange("a True Audio", lambda: b"TTA1\1\0\1\0\x10\0" + NOISE),
    strange("a Monkey's Audio", lambda: b"MAC \x96\x0f" + NOISE),
    strange("a WavPack", lambda: b"wvpk\x20\0\0\0" + NOISE),
    strange("a Musepack", lambda: b"MPCK" + NOISE),
)

POLYGLOTS = (
    forgiven("a WAV with a ZIP behind it", lambda: WAV + _zip()),
    forgiven("a WAV with a web page behind it", lambda: WAV + b"<script>alert(1)</script>"),
    forgiven(
        "a WAV with a playlist for its title", lambda: _with_title(b"#EXTM3U\nfile:///etc/passwd\n")
    ),
    forgiven(
        "a WAV with a terminal's orders for its title",
        lambda: _with_title(b"\x1b]0;x\x07\x1b[2J\r\nx: y"),
    ),
    forgiven("a FLAC that is a ZIP from behind", lambda: _flac() + _zip()),
    strange("a ZIP with a WAV behind it", lambda: _zip() + WAV),
    strange("a PDF with a WAV in it", lambda: PDF + WAV),
    strange("a web page with a WAV in it", lambda: b"<!--" + WAV + b"-->"),
    strange("a WAV in gzip", lambda: gzip.compress(WAV)),
    strange("a WAV behind one byte too many", lambda: b"\0" + WAV),
    undecodable("an MP3 tag in front of a WAV", lambda: b"ID3\x04\0\0\0\0\0\0" + WAV),
    undecodable("a FLAC's mark in front of a WAV", lambda: b"fLaC" + WAV),
)


def _with_title(title: bytes) -> bytes:
    text = title + bytes(len(title) % 2)
    info = b"INFOINAM" + len(text).to_bytes(4, "little") + text
    return WAV + b"LIST" + len(info).to_bytes(4, "little") + info


NAMES = (
    forgiven("a FLAC called .wav", _flac, filename="a.wav"),
    forgiven("a WAV called .mp3", lambda: WAV, filename="a.mp3"),
    forgiven("a WAV called .m3u8", lambda: WAV, filename="a.m3u8"),
    forgiven("a WAV called .exe", lambda: WAV, filename="a.exe"),
    strange("an image called .wav", lambda: PNG, filename="a.wav"),
    strange("a playlist called .mp3", lambda: b"#EXTM3U\n/etc/passwd", filename="a.mp3"),
    forgiven(
        "a WAV called as a file of the server's", lambda: WAV, filename="../../../../etc/passwd"
    ),
    forgiven("a WAV called as a protocol", lambda: WAV, filename="http://localhost/a.wav"),
    forgiven("a WAV called as an option", lambda: WAV, filename="-i /etc/passwd"),
    forgiven(
        "a WAV called as an order to a shell", lambda: WAV, filename="$(reboot);`reboot`|&.wav"
    ),
    forgiven("a WAV with a NUL in its name", lambda: WAV, filename="a\0.wav"),
    forgiven(
        "a WAV with a line break in its name", lambda: WAV, filename="a\r\nx-evil: 1\r\n\r\n.wav"
    ),
    Bad("a WAV with a name of 64 KB", lambda: WAV, 400, "invalid_option", filename="a" * 65_536),
    forgiven(
        "a WAV with a name of surrogates and marks",
        lambda: WAV,
        filename="\u202e\u0301" * 99 + "vaw.\U0001f508",
    ),
)

ROWS: tuple[Bad, ...] = NOTHING + PLAYLISTS + STRANGERS + POLYGLOTS + NAMES
