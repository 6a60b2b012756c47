"""A new entry and a keys file, in; the file with the entry at its end, or as it was, out."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from serve_app.document import read
from serve_app.errors import ConfigError
from serve_app.ingress.auth.keys import keys_of

_EMPTY = re.compile(r"^keys:[ \t]*\[[ \t]*\]", re.MULTILINE)
_FIRST_ENTRY = re.compile(r"^([ ]*)-[ ]", re.MULTILINE)
_FOR_ITS_OWNER = 0o600


def entry_text(entry: Mapping[str, Any], indent: str = "  ") -> str:
    """The entry as it stands in a file.

    Raises:
        ConfigError: it would be wrong there.
    """
    keys_of({"keys": [dict(entry)]}, "the new key")
    lines = yaml.safe_dump(dict(entry), sort_keys=False).splitlines()
    first, *others = lines
    return "".join([f"{indent}- {first}\n", *(f"{indent}  {line}\n" for line in others)])


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add `entry` to the file, in one step: a server that reads it meanwhile reads all or nothing.

    What stands there already, comments included, stays as it is.

    Raises:
        ConfigError: the file is wrong, has a key of this name already, is not laid out as a list
            to whose end a line can be added, or cannot be written.
    """
    before = read(path) if path.exists() else {"keys": []}
    keys_of(before, str(path))
    text = path.read_text(encoding="utf-8") if path.exists() else "keys: []\n"
    wanted = {"keys": [*before["keys"], dict(entry)]}
    keys_of(wanted, str(path))
    text = _EMPTY.sub("keys:", text)
    text += "" if text.endswith("\n") else "\n"
    found = _FIRST_ENTRY.search(text)
    text += entry_text(entry, found.group(1) if found else "  ")
    try:
        is_right = yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        reason = "is not laid out as a plain list; add it by hand:\n"
        raise ConfigError(str(path), reason + entry_text(entry))
    try:
        _replace(path, text)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {error.strerror}") from error


def _replace(path: Path, text: str) -> None:
    """Write beside it, then rename: the rights stay as they were, or are its owner's alone."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else _FOR_ITS_OWNER
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
