"""A guard against decoders that loop: attention models sometimes say one phrase to the end."""

_MAX_PHRASE_WORDS = 8
_MIN_REPEATS = 4
_MIN_LOOP_WORDS = 24
"""Nobody says one phrase four times in a row for two dozen words, digit strings included."""


def without_loops(text: str) -> str:
    """`text` with its last phrase said once, where it is said over and over until the end."""
    words = text.split()
    for length in range(1, _MAX_PHRASE_WORDS + 1):
        repeats = _repeats_at_end(words, length)
        if repeats >= _MIN_REPEATS and repeats * length >= _MIN_LOOP_WORDS:
            return " ".join(words[: len(words) - (repeats - 1) * length])
    return text


def _repeats_at_end(words: list[str], length: int) -> int:
    phrase = words[-length:]
    repeats = 1
    while phrase and words[-(repeats + 1) * length : -repeats * length] == phrase:
        repeats += 1
    return repeats
