"""A manifest in, the recordings to evaluate out, with what is said in each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_AUDIO_KEYS = ("audio_filepath", "file", "audio")
_LANGUAGE_KEYS = ("language", "source_lang", "lang")
"""NeMo's `lang` is that of the text, where `source_lang` stands beside it."""
_TARGET_KEYS = ("target_language", "target_lang")
_TRANSLATIONS = frozenset({"translate", "ast", "s2t", "s2t_translation"})
_YES, _NO = frozenset({"yes", "true", "pnc", "1"}), frozenset({"no", "false", "nopnc", "0"})


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
    """What is said in it, or its translation."""
    language: str | None = None
    """Of the speech, where the manifest names it."""
    target_language: str | None = None
    """Of `text`, where that is another."""
    pnc: bool | None = None
    """Whether `text` has punctuation and capitals, where the manifest says so."""

    @property
    def direction(self) -> str:
        """`de`, `de → en`, or `any` where the manifest names no language."""
        spoken = self.language or "any"
        return f"{spoken} → {self.target_language}" if self.target_language else spoken


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
    return Entry(
        path, row["text"], _first(row, _LANGUAGE_KEYS), _target(row), _pnc(row.get("pnc"), place)
    )


def _target(row: Mapping[str, Any]) -> str | None:
    """The language to translate into; None for a transcript. NeMo's manifests name it always."""
    language, target = _first(row, _LANGUAGE_KEYS), _first(row, _TARGET_KEYS)
    if target is None and str(row.get("taskname")) in _TRANSLATIONS:
        return "en"
    return None if target == language else target


def _pnc(value: Any, place: str) -> bool | None:
    said = "" if value is None else str(value).lower()
    if said and said not in _YES | _NO:
        raise ManifestError(place, f"`pnc` is {said!r}, neither yes nor no")
    return said in _YES if said else None


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    return next((str(row[key]) for key in keys if row.get(key)), None)
