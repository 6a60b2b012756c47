"""The language of parakeet-tiny: home commands, digit strings, words in any order.

All text is lower case English without punctuation. Which transcripts are kept for
evaluation is decided by a hash of the text alone, so that no list has to be passed
around and no later recipe can train on them by accident.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
from collections.abc import Callable

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MAX_DIGITS = 10

_ROOMS = ("kitchen", "garden", "office", "garage", "bedroom", "bathroom", "living room")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CITIES = ("berlin", "paris", "madrid", "london", "rome", "vienna", "new york", "tokyo")
_NUMBERS = (*DIGITS[2:], "ten", "fifteen", "twenty", "thirty", "forty")
_PEOPLE = ("anna", "peter", "mary", "john", "the office", "the doctor", "my mother")
_DEVICES = ("light", "lamp", "radio", "heater", "camera", "fan", "television")
_GOODS = ("milk", "bread", "eggs", "coffee", "apples", "butter", "rice", "tea")
_MUSIC = ("music", "jazz", "the news", "my favourite song", "some rock music", "the next song")

_TEMPLATES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("turn on", "turn off"), ("the",), _DEVICES, ("in the",), _ROOMS),
    (("turn on", "turn off"), ("the",), _DEVICES),
    (("open", "close"), ("the door", "the window", "the gate", "the curtains"), ("on",), _DAYS),
    (("open", "close"), ("the door", "the window", "the curtains"), ("in the",), _ROOMS),
    (("lock", "unlock"), ("the front door", "the back door", "the garage", "the gate")),
    (("set a timer for",), _NUMBERS, ("minutes", "seconds", "hours")),
    (("wake me up at",), _NUMBERS[:9], ("in the morning", "on monday", "tomorrow")),
    (("play",), _MUSIC, ("in the",), _ROOMS),
    (("play", "stop"), _MUSIC),
    (("what is the weather in",), _CITIES, ("today", "tomorrow", *(f"on {d}" for d in _DAYS))),
    (("how far is it to", "what time is it in"), _CITIES),
    (("call", "send a message to"), _PEOPLE, ("", "now", "tomorrow", "please")),
    (("set the volume to", "set the temperature to"), _NUMBERS),
    (("make it",), ("warmer", "colder", "brighter", "darker", "louder"), ("in the",), _ROOMS),
    (("add",), _GOODS, ("to the shopping list",)),
    (("remind me to buy",), _GOODS, ("on",), _DAYS),
    (("yes please", "no thank you", "stop", "cancel", "help", "good morning", "good night"),),
    (("what time is it", "repeat that please", "go back", "start again", "thank you"),),
)  # fmt: skip


@functools.cache
def commands() -> tuple[str, ...]:
    """Return every sentence of the command grammar, sorted."""
    sentences = {
        " ".join(" ".join(choice).split())
        for template in _TEMPLATES
        for choice in itertools.product(*template)
    }
    return tuple(sorted(sentences))


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Return every word of the language, sorted."""
    return tuple(sorted({word for text in commands() for word in text.split()} | set(DIGITS)))


def is_held_out(text: str) -> bool:
    """True for the tenth of all transcripts that is kept for evaluation."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 10 == 0


def draw_command(rng: random.Random, *, held_out: bool = False) -> str:
    """Draw a sentence; rare templates come as often as common ones half of the time."""

    def draw() -> str:
        if rng.random() < 0.5:
            return rng.choice(commands())
        return " ".join(" ".join(rng.choice(slot) for slot in rng.choice(_TEMPLATES)).split())

    return _draw_until(draw, held_out)


def draw_digits(rng: random.Random, *, held_out: bool = False) -> str:
    """Draw a string of 1 to 10 digits, short and long ones alike."""
    return _draw_until(
        lambda: " ".join(rng.choices(DIGITS, k=rng.randint(1, MAX_DIGITS))), held_out
    )


def draw_shuffled_words(rng: random.Random, *, held_out: bool = False) -> str:
    """Draw words that follow no grammar, so that a model has to listen to each."""
    return _draw_until(lambda: " ".join(rng.choices(vocabulary(), k=rng.randint(1, 8))), held_out)


def _draw_until(draw: Callable[[], str], held_out: bool) -> str:
    while is_held_out(text := draw()) != held_out:
        pass
    return text
