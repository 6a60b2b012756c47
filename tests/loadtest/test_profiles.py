"""Whose code a sampled stack is in."""

from collections import Counter

from loadtest.bench.profiles.sampling import owner_of, owners, profile_table


def test_a_stack_belongs_to_its_innermost_frame_that_is_not_pythons_own() -> None:
    stack = ["run (asyncio/runners.py:1)", "call (ray/serve/a.py:2)", "dumps (pickle.py:3)"]
    assert owner_of(stack) == "ray"
    assert owner_of([*stack, "read (serve_app/ingress/forms.py:9)"]) == "serve_app/ingress"
    assert owner_of(["run (asyncio/runners.py:1)"]) == "Python itself"


def test_packages_that_are_there_most_come_first() -> None:
    found = owners(["a (ray/a.py:1);b (json/b.py:2) 3", "a (uvicorn/a.py:1) 1"])
    assert found == Counter({"ray": 3, "uvicorn": 1})
    assert profile_table({"Ingress": found}).rows == [("Ingress", "ray 75%, uvicorn 25%", "4")]
