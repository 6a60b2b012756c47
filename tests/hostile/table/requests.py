"""Requests that are bad before anybody listens to their audio: forms, fields, headers, lengths."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.hostile.table.rows import WAV

URL = "/v1/audio/transcriptions"
_MULTIPART = "multipart/form-data; boundary=b"


@dataclass(frozen=True, slots=True)
class BadRequest:
    """One row: the bytes on the wire. Where `code` is None, the answer has none of ours."""

    name: str
    make: Callable[[], bytes]
    status: int
    code: str | None = "invalid_option"


def _http(
    body: bytes,
    *,
    method: str = "POST",
    path: str = URL,
    headers: Mapping[str, str] | None = None,
    length: str | None = None,
) -> bytes:
    """A request; its length is that of `body` unless given, or left out where it is empty."""
    lines = {"host": "here", "connection": "close", "content-type": _MULTIPART}
    lines["content-length"] = str(len(body)) if length is None else length
    lines = {name: value for name, value in {**lines, **(headers or {})}.items() if value}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def _part(head: bytes, body: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + body + b"\r\n"


FILE, END = _part(b'name="file"; filename="a.wav"', WAV), b"--b--\r\n"


def _field(name: bytes, value: bytes) -> bytes:
    return _part(b'name="' + name + b'"', value)


def _form(*parts: bytes) -> bytes:
    return _http(FILE + b"".join(parts) + END)


def _fields(name: str, value: bytes) -> BadRequest:
    shown = value if len(value) < 40 else value[:12] + b"..."
    return BadRequest(f"{name} = {shown!r}", lambda: _form(_field(name.encode(), value)), 400)


CHARSETS = ("undefined", "punycode", "utf-7", "unicode_escape", "rot13", "utf-16", "x" * 99)


def _in_charset(charset: str) -> BadRequest:
    """A field that some of Python's codecs cannot read, and some make half a character of."""
    headers = {"content-type": f"{_MULTIPART}; charset={charset}"}
    body = FILE + _field(b"+2AA-\\ud800", b"x") + END
    return BadRequest(f"a form in {charset[:20]}", lambda: _http(body, headers=headers), 400)


FORMS = (
    BadRequest("ten thousand parts", lambda: _form(_field(b"prompt", b"") * 10_000), 400),
    BadRequest("ten thousand files", lambda: _http(FILE[:200] * 10_000 + END), 400),
    BadRequest("two files", lambda: _form(FILE), 400),
    BadRequest("129 fields", lambda: _form(_field(b"keywords[]", b"x") * 129), 400),
    BadRequest("a field of 257 KB", lambda: _form(_field(b"prompt", b"x" * (257 << 10))), 400),
    BadRequest("a field with a name of 64 KB", lambda: _form(_field(b"x" * 65_536, b"x")), 400),
    BadRequest("a part with a header of 1 MB", lambda: _form(_part(b"x" * (1 << 20))), 400),
    BadRequest(
        "a part with ten thousand headers",
        lambda: _form(_part(b'name="x"' + b"\r\nx: y" * 10_000)),
        400,
    ),
    *(_in_charset(charset) for charset in CHARSETS),
    BadRequest(
        "a content-type of 600 KB",
        lambda: _http(FILE + END, headers={"content-type": _MULTIPART + ';"' * 300_000}),
        400,
    ),
    BadRequest("a part without a name", lambda: _form(_part(b"")), 400),
    BadRequest("a part of an unknown name", lambda: _form(_field(b"__class__", b"x")), 400),
    BadRequest("a part with a NUL in its name", lambda: _form(_field(b"mod\0el", b"x")), 400),
    BadRequest("a part whose name is no UTF-8", lambda: _form(_field(b"\xff\xfe", b"x")), 400),
    BadRequest("a file as text", lambda: _http(_field(b"file", WAV) + END), 400),
    BadRequest("a form without a file", lambda: _http(_field(b"model", b"") + END), 400),
    BadRequest("a form without an end", lambda: _http(FILE), 400),
    BadRequest("a form that is cut in its file", lambda: _http(FILE[:999]), 400),
    BadRequest("a form of noise", lambda: _http(b"\xff" * 9_999), 400),
    BadRequest("no body", lambda: _http(b""), 400),
    BadRequest("a boundary that never comes", lambda: _http(b"--c\r\n" + FILE + END), 400),
    BadRequest(
        "a form without a boundary",
        lambda: _http(FILE + END, headers={"content-type": "multipart/form-data"}),
        400,
    ),
    BadRequest(
        "a body of JSON",
        lambda: _http(b"{}", headers={"content-type": "application/json"}),
        415,
        "unsupported_format",
    ),
    BadRequest(
        "a form in a form's clothes",
        lambda: _http(b"file=x", headers={"content-type": "application/x-www-form-urlencoded"}),
        415,
        "unsupported_format",
    ),
    BadRequest(
        "a body that says it is in gzip",
        lambda: _http(b"\x1f\x8b\x08" + bytes(999), headers={"content-encoding": "gzip"}),
        400,
    ),
)

FIELDS = (
    _fields("channel", b"99999999999999999999"),
    _fields("channel", b"-1"),
    _fields("channel", "\uff11".encode()),
    _fields("channel", b"1e3"),
    _fields("channel", b"7"),
    _fields("temperature", b"nan"),
    _fields("temperature", b"inf"),
    _fields("temperature", b"1" * 9_999),
    _fields("response_format", b"../../etc/passwd"),
    _fields("stream", b"\xff\xff"),
    _fields("timestamp_granularities[]", b"'; DROP TABLE jobs; --"),
    BadRequest(
        "a language of 200 KB",
        lambda: _form(_field(b"language", b"x" * 200_000)),
        400,
        "unsupported_language",
    ),
    BadRequest(
        "a model that is a path",
        lambda: _form(_field(b"model", b"../../models/x.nemo")),
        404,
        "model_not_found",
    ),
    BadRequest(
        "a model of two lines",
        lambda: _form(_field(b"model", b"a\r\nx-evil: 1\r\n\r\n<script>")),
        404,
        "model_not_found",
    ),
    BadRequest(
        "fields in fields in fields",
        lambda: _form(_field(b"keywords" + b"[a]" * 1_000, b"x")),
        400,
        "unsupported_option",
    ),
)


def _in_chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


_CHUNKED = {"transfer-encoding": "chunked"}

LENGTHS = (
    BadRequest(
        "a length of a terabyte", lambda: _http(b"", length=str(10**12)), 413, "upload_too_large"
    ),
    BadRequest("a length that is no number", lambda: _http(FILE, length="ten"), 400, None),
    BadRequest("a negative length", lambda: _http(FILE, length="-5"), 400, None),
    BadRequest(
        "a length of ten thousand digits", lambda: _http(FILE, length="9" * 10_000), 400, None
    ),
    BadRequest(
        "two lengths", lambda: _http(FILE + END, headers={"Content-Length": "5"}), 400, None
    ),
    BadRequest(
        "a length and chunks", lambda: _http(b"0\r\n\r\n", headers=_CHUNKED, length="5"), 400, None
    ),
    BadRequest("a length too short for its form", lambda: _http(FILE + END, length="999"), 400),
    BadRequest(
        "a length too long for its form, and no more",
        lambda: _http(FILE, length=str(len(FILE) + 999)),
        408,
        "upload_timeout",
    ),
    BadRequest(
        "a chunk of 2^64 bytes",
        lambda: _http(b"FFFFFFFFFFFFFFFFF\r\n", headers=_CHUNKED, length=""),
        400,
        None,
    ),
    BadRequest(
        "a chunk of a negative size",
        lambda: _http(b"-5\r\n", headers=_CHUNKED, length=""),
        400,
        None,
    ),
    BadRequest(
        "33 MB in chunks that nobody announced",
        lambda: _http(
            _in_chunks(FILE[:-2], *[bytes(1 << 20)] * 34),
            headers={**_CHUNKED, "content-type": "multipart/form-data; boundary=b"},
            length="",
        ),
        413,
        "upload_too_large",
    ),
)

PATHS = (
    BadRequest(
        "a path out of the server",
        lambda: _http(b"", method="GET", path="/../../etc/passwd"),
        404,
        "not_found",
    ),
    BadRequest(
        "an encoded path out of the server",
        lambda: _http(b"", method="GET", path="/%2e%2e%2f%2e%2e%2fetc/passwd"),
        404,
        "not_found",
    ),
    BadRequest(
        "a model of 8 KB in the path",
        lambda: _http(b"", method="GET", path="/v1/models/" + "x" * 8_000),
        404,
        "model_not_found",
    ),
    BadRequest(
        "a model with a NUL in the path",
        lambda: _http(b"", method="GET", path="/v1/models/%00"),
        404,
        "model_not_found",
    ),
    BadRequest(
        "a GET where a POST belongs", lambda: _http(b"", method="GET"), 405, "method_not_allowed"
    ),
    BadRequest("a method that is none", lambda: _http(b"", method="FETCH"), 400, None),
    BadRequest(
        "a header of 100 KB",
        lambda: _http(b"", method="GET", path="/", headers={"x": "y" * 100_000}),
        200,
        None,
    ),
    BadRequest(
        "a request of noise", lambda: b"\x16\x03\x01" + b"\xff" * 99 + b"\r\n\r\n", 400, None
    ),
)

ROWS: tuple[BadRequest, ...] = FORMS + FIELDS + LENGTHS + PATHS
