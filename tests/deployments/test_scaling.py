from types import SimpleNamespace

import pytest

from serve_app.deployments.streaming.scaling import SlotsPolicy


def wanted(metrics: dict[str, dict[str, float]], *, target: int = 1, **kwargs: float) -> int:
    context = SimpleNamespace(aggregated_metrics=metrics, target_num_replicas=target)
    return SlotsPolicy(**kwargs)(context)[0]  # type: ignore[arg-type]


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
    metrics = {
        "slots": {"a": 10.0, "b": 10.0},
        "slots_in_use": dict(zip("ab", map(float, in_use), strict=True)),
        "refused": dict(zip("ab", map(float, refused), strict=True)),
    }
    assert wanted(metrics) == replicas


def test_the_head_room_is_a_setting() -> None:
    metrics = {"slots": {"a": 10.0}, "slots_in_use": {"a": 10.0}}
    assert wanted(metrics, head_room=0.0) == 1
    assert wanted(metrics, head_room=0.5) == 2
    with pytest.raises(ValueError, match="head_room"):
        SlotsPolicy(head_room=1.0)


def test_nothing_changes_while_nothing_is_known() -> None:
    assert wanted({}, target=3) == 3
