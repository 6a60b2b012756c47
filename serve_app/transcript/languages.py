"""A language as a client names it, in; its ISO 639-1 code, or its English name, out."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "bg": "Bulgarian",
    "hr": "Croatian",
    "cs": "Czech",
    "da": "Danish",
    "nl": "Dutch",
    "en": "English",
    "et": "Estonian",
    "fi": "Finnish",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "hu": "Hungarian",
    "it": "Italian",
    "lv": "Latvian",
    "lt": "Lithuanian",
    "mt": "Maltese",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "es": "Spanish",
    "sv": "Swedish",
    "uk": "Ukrainian",
}
"""ISO 639-1 code → English name, of every language that a Parakeet or Canary checkpoint knows."""

_CODES = {name.lower(): code for code, name in NAMES.items()}


def code_of(language: str) -> str:
    """The code in a BCP-47 tag (`en-US`, `pt_BR`) or of an English name, whatever its case.

    What is neither comes back in lower case, so that the caller can name it in its refusal.
    """
    wanted = language.strip().lower()
    return _CODES.get(wanted, wanted.replace("_", "-").split("-")[0])


def name_of(code: str) -> str:
    """The English name of a code; the code itself where the table has none."""
    return NAMES.get(code, code)
