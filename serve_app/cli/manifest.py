"""A manifest in, the recordings to evaluate out, with what is said in each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_AUDIO_KEYS = ("audio_filepath", "file", "audio")
_LANGUAGE_KEYS = ("language", "lang", "source_lang")


class ManifestError(Exception):
    """What is wrong with a manifest, and where."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording of a manifest."""

    path: Path
    text: str
    """What is said in it."""
    language: str | None = None
    """Where the manifest names it."""


def read_manifest(path: Path) -> list[Entry]:
    """Read JSON lines (NeMo's manifests are that) or one JSON list of the same objects.

    Raises:
        ManifestError: it cannot be read, or an entry lacks its audio or its text.
    """
    try:
        content = path.read_text()
    except OSError as error:
        raise ManifestError(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ManifestError(str(path), "is no text in UTF-8") from error
    entries = [_entry(row, place, path.parent) for place, row in _rows(content, path)]
    if not entries:
        raise ManifestError(str(path), "names no recordings")
    return entries


def _rows(content: str, path: Path) -> Iterator[tuple[str, Any]]:
    if content.lstrip().startswith("["):
        rows = _parsed(content, str(path))
        yield from ((f"{path}, entry {number}", row) for number, row in enumerate(rows, 1))
        return
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, _parsed(line, place)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ManifestError(place, f"is no JSON: {error}") from error


def _entry(row: Any, place: str, folder: Path) -> Entry:
    if not isinstance(row, Mapping):
        raise ManifestError(place, "is no JSON object")
    audio = _first(row, _AUDIO_KEYS)
    if audio is None:
        raise ManifestError(place, f"names no recording: none of {', '.join(_AUDIO_KEYS)}")
    if not isinstance(row.get("text"), str):
        raise ManifestError(place, "has no `text` to compare with")
    if row.get("offset"):
        raise ManifestError(place, "has an `offset`; only whole files can be evaluated")
    path = folder / audio
    if not path.is_file():
        raise ManifestError(place, f"there is no file {path}")
    return Entry(path, row["text"], _first(row, _LANGUAGE_KEYS))


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    return next((str(row[key]) for key in keys if row.get(key)), None)
