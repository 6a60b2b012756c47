"""Recordings take turns: nobody waits for another's end, neither the short nor the long."""

import random
from dataclasses import dataclass

import pytest

from serve_app.deployments.batching.turns import Turns


def test_each_recording_gives_one_item_in_turn() -> None:
    turns = Turns[str]()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        turns.add(item[0], item)
    assert list(turns) == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert turns.take(2) == ["a1", "b1"]
    turns.add("b", "b2")
    turns.add("d", "d1")
    assert list(turns) == turns.take(9) == ["c1", "a2", "b2", "d1", "c2", "a3"]
    assert len(turns) == turns.num_recordings == 0


def test_what_is_dropped_costs_nobody_a_turn() -> None:
    turns = Turns[str]()
    for item in ("a1", "a2", "b1", "c1"):
        turns.add(item[0], item)
    turns.keep(lambda item: item not in {"a1", "b1"})
    assert (len(turns), turns.num_recordings) == (2, 2)
    assert turns.take(5) == ["a2", "c1"]


@dataclass(eq=False)
class Item:
    """Counts what goes before it since it is the first of its recording."""

    recording: int
    bound: int | None = None
    """How many other recordings were there at that moment; None until then."""
    num_before: int = 0


class Watched:
    """A ring, and beside it what it should hold, which knows the bound of each item."""

    def __init__(self) -> None:
        self.turns = Turns[Item]()
        self.waiting: dict[int, list[Item]] = {}

    def add(self, recording: int) -> None:
        item = Item(recording)
        self.waiting.setdefault(recording, []).append(item)
        self.turns.add(recording, item)
        self._begin(self.waiting[recording][0])

    def take_one(self) -> None:
        (taken,) = self.turns.take(1)
        items = self.waiting[taken.recording]
        assert items.pop(0) is taken
        assert taken.bound is not None
        assert taken.num_before <= taken.bound
        if not items:
            del self.waiting[taken.recording]
        for others in self.waiting.values():
            others[0].num_before += others is not items
        if items:
            self._begin(items[0])

    def _begin(self, item: Item) -> None:
        if item.bound is None:
            item.bound = len(self.waiting) - 1


@pytest.mark.parametrize("seed", range(300))
def test_one_item_of_each_other_goes_before_and_no_more_whatever_arrives(seed: int) -> None:
    rng = random.Random(seed)
    watched = Watched()
    num_recordings = rng.randint(1, 40)
    for _ in range(600):
        if watched.waiting and rng.random() < 0.45:
            watched.take_one()
        else:  # a few recordings are long: most of the items are theirs
            watched.add(rng.choice([rng.randrange(3), rng.randrange(num_recordings)]))
        assert watched.turns.num_recordings == len(watched.waiting)
    while watched.waiting:
        watched.take_one()
    assert len(watched.turns) == 0
