"""A request's body, in; its fields and its one upload, out, within the limits.

A body is a multipart form, or the upload itself with the fields in the query. The only place that
reads one: what it holds in memory is bounded by the limits, and it stops at the first byte that is
too much.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serve_app.errors import (
    EmptyAudioError,
    InvalidOptionError,
    UnsupportedFormatError,
    UploadTimeoutError,
    UploadTooLargeError,
)

MAX_FIELDS = 128
MAX_FIELD_BYTES = 256 * 1024
FORM_BYTES = 1024 * 1024
"""What the fields and the multipart frame may weigh beside the upload."""

MULTIPART = "multipart/form-data"
RAW = "application/octet-stream"
_RAW_FAMILIES = ("audio/", "video/")
_FIELD_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MAX_FILENAME_CHARACTERS = 255
_MAX_CONTENT_TYPE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Form:
    """One request's form. `x` and `x[]` are the same field."""

    upload: bytes
    filename: str
    """As the client named it, made harmless: for showing, not for opening."""
    fields: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str | None:
        """The value of a field that takes one; None where it is absent or empty.

        Raises:
            InvalidOptionError: it is given more than once.
        """
        values = self.fields.get(name, ())
        if len(values) > 1:
            raise InvalidOptionError(name, "is given more than once")
        return values[0].strip() or None if values else None

    def many(self, name: str) -> tuple[str, ...]:
        """All values of a field, without the empty ones."""
        return tuple(value.strip() for value in self.fields.get(name, ()) if value.strip())

    def flag(self, name: str, default: bool) -> bool:
        """
        Raises:
            InvalidOptionError: it is neither true nor false.
        """
        value = self.one(name)
        if value is None:
            return default
        if value.lower() in ("true", "1", "yes", "on"):
            return True
        if value.lower() in ("false", "0", "no", "off"):
            return False
        raise InvalidOptionError(name, f"{shown(value)} is neither true nor false")

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """
        Raises:
            InvalidOptionError: it is none of `choices`.
        """
        value = self.one(name) or default
        if value not in choices:
            raise InvalidOptionError(
                name, f"{shown(value)} is not one of: {', '.join(sorted(choices))}"
            )
        return value


class _WholeFormParser(MultiPartParser):
    """Starlette's parser, which would take a form that was cut off; and in memory."""

    spool_max_size = 0
    """No disk: the limit on the body bounds what is held, and the upload is wanted as bytes."""

    def __init__(self, headers: Headers, body: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            headers,
            self._whole(body),
            max_files=1,
            max_fields=MAX_FIELDS,
            max_part_size=MAX_FIELD_BYTES,
        )
        self.has_ended = False

    def on_end(self) -> None:
        self.has_ended = True

    @property
    def _charset(self) -> str:
        """Always this one: Starlette would take the client's word for it, and any of Python's
        codecs, of which some raise what it does not catch and some make text that is none."""
        return "utf-8"

    @_charset.setter
    def _charset(self, value: str) -> None:
        pass

    async def _whole(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for part in body:
            yield part
        if not self.has_ended:
            raise MultiPartException("it ends too early")


async def read_form(
    request: Request,
    *,
    known_fields: Collection[str],
    max_upload_bytes: int,
    timeout_s: float,
) -> Form:
    """Read the whole body.

    Raises:
        UnsupportedFormatError: it is neither a multipart form nor said to be a recording.
        UploadTooLargeError: known from its declared length or found while reading.
        UploadTimeoutError: it took longer than `timeout_s` to arrive.
        InvalidOptionError: it cannot be parsed, has a field that is not in `known_fields`, or no
            `file`.
        EmptyAudioError: its file has no bytes.
        ClientDisconnect: the client left.
    """
    kind = _kind_of(request.headers.get("content-type", ""))
    is_raw = kind == RAW or kind.startswith(_RAW_FAMILIES)
    if not is_raw:
        checked_content_type(request, (RAW, *(f"{family}*" for family in _RAW_FAMILIES)))
    body = _bounded_body(request, max_upload_bytes, beside=0 if is_raw else FORM_BYTES)
    try:
        async with asyncio.timeout(timeout_s):
            if is_raw:
                return await _raw(request, body, known_fields)
            parsed = await _WholeFormParser(request.headers, body).parse()
            try:
                return await _form(parsed.multi_items(), known_fields, max_upload_bytes)
            finally:
                await parsed.close()
    except TimeoutError as error:
        raise UploadTimeoutError(timeout_s) from error
    except MultiPartException as error:
        raise InvalidOptionError("file", f"the form cannot be read: {error.message}") from error


def brings_audio(content_type: str) -> bool:
    """Whether a body of this type is read as a recording."""
    kind = _kind_of(content_type)
    return kind.startswith((MULTIPART, RAW, *_RAW_FAMILIES))


def _kind_of(content_type: str) -> str:
    return content_type[:_MAX_CONTENT_TYPE_CHARACTERS].split(";")[0].strip().lower()


async def _raw(
    request: Request, body: AsyncGenerator[bytes, None], known_fields: Collection[str]
) -> Form:
    """The body is the upload. What is wrong with the query is told before it is read."""
    fields: dict[str, tuple[str, ...]] = {}
    query = request.query_params.multi_items()
    if len(query) > MAX_FIELDS:
        raise InvalidOptionError("file", f"the query has more than {MAX_FIELDS} fields")
    for name, value in query:
        field, key = _named(name, known_fields)
        if field == "file":
            raise InvalidOptionError(field, "is the body itself")
        fields[field + key] = (*fields.get(field + key, ()), value)
    upload = b"".join([part async for part in body])
    if not upload:
        raise EmptyAudioError
    return Form(upload, harmless(""), fields)


def checked_content_type(request: Request, or_else: tuple[str, ...] = ()) -> bytes:
    """The boundary of a multipart form; `or_else` is what could have come in its place.

    Raises:
        UnsupportedFormatError: it is no multipart form.
        InvalidOptionError: it says not how it can be read.
    """
    content_type = request.headers.get("content-type", "")
    if _kind_of(content_type) != MULTIPART:
        found = content_type[:100] or "a body without content-type"
        raise UnsupportedFormatError(found, (MULTIPART, *or_else))
    if len(content_type) > _MAX_CONTENT_TYPE_CHARACTERS:
        # its parser takes a second for each megabyte, and nobody else is served meanwhile
        raise InvalidOptionError("file", "the form cannot be read: its content-type has no end")
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise InvalidOptionError("file", "the form cannot be read: Missing boundary")
    return boundary


async def _bounded_body(
    request: Request, max_upload_bytes: int, *, beside: int
) -> AsyncGenerator[bytes, None]:
    limit = max_upload_bytes + beside
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise UploadTooLargeError(max_upload_bytes)
    num_bytes = 0
    async for part in request.stream():
        num_bytes += len(part)
        if num_bytes > limit:
            raise UploadTooLargeError(max_upload_bytes)
        yield part


async def _form(
    items: list[tuple[str, UploadFile | str]], known_fields: Collection[str], max_upload_bytes: int
) -> Form:
    upload: UploadFile | None = None
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in items:
        field, key = _named(name, known_fields)
        if isinstance(value, UploadFile) and field == "file":
            upload = value
        elif isinstance(value, UploadFile) or field == "file":
            raise InvalidOptionError(field, "only `file` is an upload, with a filename")
        else:
            fields[field + key] = (*fields.get(field + key, ()), value)
    if upload is None:
        raise InvalidOptionError("file", "is required, as an upload with a filename")
    if (upload.size or 0) > max_upload_bytes:
        raise UploadTooLargeError(max_upload_bytes)
    if not upload.size:
        raise EmptyAudioError
    return Form(await upload.read(), harmless(upload.filename or ""), fields)


def field_of(name: str, known_fields: Collection[str]) -> str:
    """The name that `Form` has for a field, as a client wrote it.

    Raises:
        InvalidOptionError: it is none of `known_fields`.
    """
    return "".join(_named(name, known_fields))


def _named(name: str, known_fields: Collection[str]) -> tuple[str, str]:
    """`x[]` and `x[0]` are the field `x`; `x[key]` is the part `[key]` of it."""
    match = _FIELD_NAME.fullmatch(name)
    field, key = match.groups() if match else (name, "")
    if field not in known_fields:
        raise InvalidOptionError(
            field[:100], f"no such field; there are: {', '.join(sorted(known_fields))}"
        )
    return field, "" if not key.strip("[]0123456789") else key


def harmless(filename: str) -> str:
    """The last part of a path, printable, of a length that any file system knows."""
    name = re.split(r"[/\\]", filename)[-1]
    name = "".join(character for character in name if character.isprintable()).strip()
    return name[:_MAX_FILENAME_CHARACTERS] or "audio"


def shown(value: str) -> str:
    """What a client sent, short and printable, for a message to it."""
    return repr(value[:100])
