import random
from collections.abc import Mapping

import pytest
from ray.serve.config import AutoscalingContext

from serve_app.deployments.scaling import AudioPolicy
from serve_app.models.protocols import Demand
from tests.deployments.scaling.contexts import context, joined, told

NOW = 1_000.0
POLICY = AudioPolicy(target_wait_s=5.0, head_room=0.1)


def replica(
    name: str = "a", *, held_s: float = 0.0, per_s: float = 10.0
) -> dict[str, dict[str, float]]:
    return {"held_audio_s": {name: held_s}, "audio_s_per_s": {name: per_s}, "chunk_s": {name: 5.0}}


def caller(name: str, waiting_s: float, arriving: float = 0.0, *, at: float = NOW) -> Demand:
    return Demand(name, at, waiting_s, arriving)


def replicas(found: AutoscalingContext, policy: AudioPolicy = POLICY) -> int:
    return policy(found)[0]


def test_what_waits_at_all_callers_is_cleared_within_the_target_wait() -> None:
    metrics = joined(replica(), told(caller("x", 100.0)), told(caller("y", 70.0)))
    assert replicas(context(metrics)) == 4  # 170 s over 10 s/s in 5 s


def test_the_last_word_of_a_caller_counts_whichever_replica_heard_it() -> None:
    metrics = joined(
        replica("a"),
        replica("b"),
        told(caller("x", 400.0, at=NOW - 2.0), "a"),
        told(caller("x", 40.0, at=NOW - 1.0), "b"),
    )
    assert replicas(context(metrics)) == 1


def test_what_replicas_keep_up_with_stays_though_nothing_waits() -> None:
    assert replicas(context(joined(replica(), told(caller("x", 1.0, 30.0))))) == 4  # a tenth free
    silent = joined(replica(), told(caller("x", 1.0, 30.0, at=NOW - 9.0)))
    assert replicas(context(silent)) == 3  # what has told of no arrivals for long has fewer


def test_who_has_been_silent_for_long_wants_nothing() -> None:
    metrics = joined(replica(), told(caller("x", 400.0, 30.0, at=NOW - 60.0)))
    assert replicas(context(metrics)) == 0


def test_nothing_waits_at_a_caller_that_has_chunks_at_no_replica() -> None:
    word = caller("x", 400.0, 9.0, at=NOW - 3.0)
    gone = joined(replica("a"), replica("b"), told(word, "a", is_here=False))
    assert replicas(context(gone)) == 1  # for what keeps arriving
    elsewhere = told(caller("x", 500.0, at=NOW - 4.0), "b")
    assert replicas(context(joined(gone, elsewhere))) == 8
    del gone["is_here:x"]  # of another version
    assert replicas(context(gone)) == 8


def test_what_replicas_hold_counts_where_callers_say_less() -> None:
    metrics = joined(replica("a", held_s=90.0), replica("b", held_s=60.0), told(caller("x", 5.0)))
    assert replicas(context(metrics)) == 3


def test_queued_chunks_of_callers_that_tell_nothing_are_of_the_mean_length() -> None:
    assert replicas(context(replica(held_s=50.0), queued=20.0)) == 3  # 50 + 20 × 5 s


def test_before_anything_was_measured_nothing_changes_but_none_is_too_few() -> None:
    metrics = joined(replica(per_s=0.0), told(caller("x", 500.0)))
    assert replicas(context(metrics, target=3)) == 3
    assert replicas(context(metrics, target=0)) == 1
    assumed = AudioPolicy(target_wait_s=5.0, audio_s_per_s=20.0)
    assert replicas(context(metrics), assumed) == 5
    assert replicas(context(replica(per_s=0.0), target=3)) == 0


def test_the_measured_rate_outlives_the_last_replica() -> None:
    _, state = POLICY(context(joined(replica(), told(caller("x", 500.0)))))
    fresh = joined(replica(per_s=0.0), told(caller("x", 100.0)))
    assert POLICY(context(fresh, state=state))[0] == 2


def test_a_replica_that_has_measured_nothing_yet_does_not_lower_the_rate() -> None:
    metrics = joined(replica("a"), replica("b", per_s=0.0), told(caller("x", 100.0)))
    assert replicas(context(metrics)) == 2


def test_settings_out_of_their_range_are_refused() -> None:
    for kwargs in ({"target_wait_s": 0.0}, {"head_room": 1.0}, {"audio_s_per_s": -1.0}):
        with pytest.raises(ValueError, match=next(iter(kwargs))):
            AudioPolicy(**kwargs)


@pytest.mark.parametrize("seed", range(200))
def test_enough_are_wanted_and_no_more_than_a_fifth_too_many_whatever_is_told(seed: int) -> None:
    rng = random.Random(seed)
    per_s, target = rng.uniform(1.0, 1e4), rng.randint(1, 8)
    reports: list[Mapping[str, Mapping[str, float]]] = [
        replica(f"{index}", held_s=rng.uniform(0, 10 * per_s), per_s=per_s)
        for index in range(rng.randint(1, 8))
    ]
    callers = [
        caller(f"c{index}", rng.uniform(0, 20 * per_s), rng.uniform(0, 2 * per_s))
        for index in range(rng.randint(1, 5))
    ]
    reports += [told(each, f"{rng.randrange(8)}") for each in callers]
    found = replicas(context(joined(*reports), target=target))
    held_s = sum(sum(report.get("held_audio_s", {}).values()) for report in reports)
    waiting_s = max(held_s, sum(each.waiting_audio_s for each in callers))
    arriving = sum(each.arriving_audio_s_per_s for each in callers)
    needed = max(waiting_s / per_s / 5.0, arriving / per_s / 0.9)
    assert needed - 1e-6 <= found <= max(needed + 1, min(target, needed * 1.2 + 1))
