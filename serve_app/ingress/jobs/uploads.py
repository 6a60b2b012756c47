"""A multipart body with recordings of any size in, piece by piece; where they were stored out.

Beside `forms` the only place that reads a body. A megabyte or two of it are in memory at a time,
as long as whoever stores it keeps pace.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from serve_app.audio.codecs.formats import sniff
from serve_app.errors import (
    AtCapacityError,
    EmptyAudioError,
    IdempotencyConflictError,
    InvalidOptionError,
    UploadTimeoutError,
    UploadTooLargeError,
)
from serve_app.ingress.forms import (
    FORM_BYTES,
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    Form,
    checked_content_type,
    field_of,
    harmless,
)
from serve_app.pipelines.length import HEAD_BYTES
from serve_app.pipelines.transcription import StoredAudio

Put: TypeAlias = Callable[[AsyncIterator[bytes]], Awaitable[StoredAudio]]


@dataclass(frozen=True, slots=True)
class Stored:
    """One recording of a form."""

    filename: str
    audio: StoredAudio
    head: bytes
    """Its first bytes, `HEAD_BYTES` at most."""
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadLimits:
    max_upload_bytes: int
    """Of each recording."""
    max_files: int
    timeout_s: float
    """For all of it to arrive."""


class StoredForm:
    """A form that is read; what it has stored is there until it is discarded."""

    def __init__(self, put: Put, discard: Callable[[StoredAudio], Awaitable[None]]) -> None:
        self._put = put
        self._discard = discard
        self.files: list[Stored] = []

    async def read(
        self, request: Request, *, known_fields: Collection[str], limits: UploadLimits
    ) -> Form:
        """Its fields; the recordings are in `files` as soon as they are stored.

        Raises:
            UnsupportedFormatError: it is no multipart form, or a recording no known format.
            UploadTooLargeError: a recording is.
            UploadTimeoutError: it took too long to arrive.
            InvalidOptionError: it cannot be parsed, has an unknown field, no `file`, or too many.
            EmptyAudioError: a recording has no bytes.
            ClientDisconnect: the client left.
            OSError: a recording cannot be stored.
        """
        boundary = checked_content_type(request)
        fields: dict[str, tuple[str, ...]] = {}
        num_fields = 0
        try:
            async with asyncio.timeout(limits.timeout_s):
                parts = _Parts(request.stream(), boundary, limits)
                while (part := await parts.next()) is not None:
                    name, filename = part
                    field = field_of(name, known_fields)
                    if filename is not None and field == "file":
                        await self._store(parts, filename, limits)
                        continue
                    if filename is not None or field == "file":
                        raise InvalidOptionError(field, "only `file` is an upload, with a filename")
                    num_fields += 1
                    if num_fields > MAX_FIELDS:
                        raise InvalidOptionError("file", f"more than {MAX_FIELDS} fields")
                    value = (await parts.value()).decode("utf-8", "replace")
                    fields[field] = (*fields.get(field, ()), value)
        except TimeoutError as error:
            raise UploadTimeoutError(limits.timeout_s) from error
        except FormParserError as error:
            raise InvalidOptionError("file", f"the form cannot be read: {error}") from error
        if not self.files:
            raise InvalidOptionError("file", "is required, as an upload with a filename")
        return Form(b"", self.files[0].filename, fields)

    async def _store(self, parts: "_Parts", filename: str, limits: UploadLimits) -> None:
        if len(self.files) >= limits.max_files:
            raise InvalidOptionError("file", f"more than {limits.max_files} recordings")
        pieces = _Watched(parts.pieces(limits.max_upload_bytes))
        audio = await self._put(pieces.read())
        self.files.append(Stored(harmless(filename), audio, pieces.head, pieces.sha256))
        if not audio.num_bytes:
            raise EmptyAudioError

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """While what is stored may become a job's. Where nobody can say whether it did (the client
        left, or the database was lost, in the very moment), it stays: what is nobody's is tidied
        away by the workers."""
        try:
            yield
        except (AtCapacityError, IdempotencyConflictError):
            raise  # it did not
        except BaseException:
            self.files.clear()
            raise

    async def discard(self) -> None:
        """Delete what is stored; nobody will ask for it."""
        for stored in self.files:
            with suppress(OSError):
                await self._discard(stored.audio)
        self.files.clear()


class _Watched:
    """The pieces of one recording on their way to the store.

    Raises:
        UnsupportedFormatError: it begins like nothing that can be decoded.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._sha256 = hashlib.sha256()
        self.head = b""

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def read(self) -> AsyncIterator[bytes]:
        """All of them, in order."""
        async for piece in self._pieces:
            self._sha256.update(piece)
            if len(self.head) < HEAD_BYTES:
                self.head += piece[: HEAD_BYTES - len(self.head)]
                if len(self.head) == HEAD_BYTES:
                    sniff(self.head)
            yield piece
        if 0 < len(self.head) < HEAD_BYTES:
            sniff(self.head)


class _Parts:
    """The parts of a form, one after another, as the body arrives."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes, limits: UploadLimits) -> None:
        self._body = body
        self._limits = limits
        self._events: deque[tuple[str, bytes]] = deque()
        self._frame_bytes = 0
        """What has come beside the recordings."""
        self._has_ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._events.append(("begin", b"")),
                "on_header_field": self._on("field"),
                "on_header_value": self._on("value"),
                "on_header_end": lambda: self._events.append(("header", b"")),
                "on_headers_finished": lambda: self._events.append(("headers", b"")),
                "on_part_data": self._on("data"),
                "on_part_end": lambda: self._events.append(("end", b"")),
                "on_end": lambda: self._events.append(("over", b"")),
            },
        )

    def _on(self, kind: str) -> Callable[[bytes, int, int], None]:
        def note(data: bytes, start: int, end: int) -> None:
            self._events.append((kind, data[start:end]))

        return note

    async def next(self) -> tuple[str, str | None] | None:
        """The name of the next part, and its filename if it is an upload; None behind the last."""
        field, value, headers = b"", b"", dict[bytes, bytes]()
        while True:
            kind, data = await self._event()
            match kind:
                case "field":
                    field += data
                case "value":
                    value += data
                case "header":
                    headers[field.lower()] = value
                    field, value = b"", b""
                case "headers":
                    return _named(headers.get(b"content-disposition", b""))
                case "over":
                    return None

    async def value(self) -> bytes:
        """The whole of a field.

        Raises:
            InvalidOptionError: it is too long.
        """
        value = b""
        async for piece in self.pieces(MAX_FIELD_BYTES, is_field=True):
            value += piece
        return value

    async def pieces(self, max_bytes: int, *, is_field: bool = False) -> AsyncIterator[bytes]:
        """The content of the part.

        Raises:
            UploadTooLargeError, InvalidOptionError: there is more than `max_bytes` of it.
        """
        num_bytes = 0
        while True:
            kind, data = await self._event()
            if kind == "end":
                return
            num_bytes += len(data)
            if num_bytes > max_bytes and is_field:
                raise InvalidOptionError("file", f"a field has more than {max_bytes:,} bytes")
            if num_bytes > max_bytes:
                raise UploadTooLargeError(max_bytes)
            if not is_field:
                self._frame_bytes -= len(data)
            yield data

    async def _event(self) -> tuple[str, bytes]:
        """
        Raises:
            FormParserError: it is no form, or ends too early.
            UploadTooLargeError: its frame is far too large.
        """
        while not self._events:
            if self._has_ended:
                raise FormParserError("it ends too early")
            piece = await anext(self._body, b"")
            self._has_ended = not piece
            self._frame_bytes += len(piece)
            if self._frame_bytes > FORM_BYTES + 2 * len(piece):
                raise UploadTooLargeError(self._limits.max_upload_bytes)
            if piece:
                self._parser.write(piece)
            else:
                self._parser.finalize()
        return self._events.popleft()


def _named(disposition: bytes) -> tuple[str, str | None]:
    kind, options = parse_options_header(disposition)
    if kind != b"form-data" or b"name" not in options:
        raise FormParserError("a part has no name")
    filename = options.get(b"filename")
    name = options[b"name"].decode("utf-8", "replace")
    return name, None if filename is None else filename.decode("utf-8", "replace")
