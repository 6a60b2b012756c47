import random

import pytest

from serve_app.deployments.scaling import SlotsPolicy
from tests.deployments.scaling.contexts import context


def wanted(
    in_use: dict[str, float],
    refused: dict[str, float] | None = None,
    *,
    target: int = 1,
    **kwargs: float,
) -> int:
    metrics = {
        "slots": dict.fromkeys(in_use, 10.0),
        "slots_in_use": in_use,
        "refused": refused or dict.fromkeys(in_use, 0.0),
    }
    return SlotsPolicy(**kwargs)(context(metrics, target=target))[0]


@pytest.mark.parametrize(
    ("in_use", "refused", "replicas"),
    [
        ((0, 0), (0, 0), 0),
        ((1, 0), (0, 0), 1),
        ((8, 0), (0, 0), 1),
        ((9, 0), (0, 0), 2),
        ((10, 6), (0, 0), 2),
        ((10, 10), (0, 5), 4),
    ],
)
def test_replicas_hold_all_streams_and_the_refused_ones_with_a_fifth_to_spare(
    in_use: tuple[int, int], refused: tuple[int, int], replicas: int
) -> None:
    found = wanted(
        dict(zip("ab", map(float, in_use), strict=True)),
        dict(zip("ab", map(float, refused), strict=True)),
    )
    assert found == replicas


def test_the_head_room_is_a_setting() -> None:
    assert wanted({"a": 10.0}, head_room=0.0) == 1
    assert wanted({"a": 10.0}, head_room=0.5) == 2
    with pytest.raises(ValueError, match="head_room"):
        SlotsPolicy(head_room=1.0)


def test_nothing_changes_while_nothing_is_known() -> None:
    assert SlotsPolicy()(context({}, target=3)) == (3, {})


def test_a_replica_goes_only_where_its_streams_leave_room_for_more() -> None:
    assert wanted({"a": 8.0, "b": 0.0}, target=2) == 2  # one would do, and be full at once
    assert wanted({"a": 6.0, "b": 0.0}, target=2) == 1


@pytest.mark.parametrize("seed", range(50))
def test_enough_slots_are_wanted_whatever_is_told(seed: int) -> None:
    rng = random.Random(seed)
    num_replicas = rng.randint(1, 8)
    in_use = {f"{index}": float(rng.randint(0, 10)) for index in range(num_replicas)}
    refused = {name: float(rng.choice((0, 0, 5, 40))) for name in in_use}
    head_room = rng.uniform(0.0, 0.9)
    found = wanted(in_use, refused, target=rng.randint(1, 8), head_room=head_room)
    streams = sum(in_use.values()) + sum(refused.values())
    assert found * 10 * (1 - head_room) >= streams - 1e-6
