"""A stranger's text, in; the same words with nothing in them that an engine takes for a command."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Scripts of India and of Persia are written with them."""


def speakable(text: str) -> str:
    """White space becomes single spaces; control, private and unassigned characters go, and so do
    halves of surrogate pairs: espeak-ng takes byte 1 for an order, and byte 0 for the end."""
    whole = unicodedata.normalize("NFC", text)
    kept = (" " if letter.isspace() or _is_control(letter) else letter for letter in whole)
    return " ".join("".join(letter for letter in kept if _is_said(letter)).split())


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc"


def _is_said(letter: str) -> bool:
    return letter in _JOINERS or not unicodedata.category(letter).startswith("C")
