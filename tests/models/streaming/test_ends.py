"""When a segment ends by itself: what holds for every length of step."""

import random

from serve_app.models.streaming.ends import EndRule

RATE = 16_000


def rule_of(rng: random.Random) -> EndRule:
    step = 1_280 * rng.choice((1, 2, 7, 14, 25))
    return EndRule(step, step * rng.randint(1, 400))


def test_what_is_carried_is_quiet_and_the_next_segment_does_not_end_in_it() -> None:
    rng = random.Random(1)
    num_carried = 0
    for _ in range(20_000):
        rule = rule_of(rng)
        num_samples = rule.step_samples * rng.randint(1, rule.max_samples // rule.step_samples)
        blank_s = rng.choice((None, rng.uniform(0.01, 4.0)))
        quiet_s = rng.choice((None, rng.uniform(0, num_samples / RATE)))
        end = rule.end_of(num_samples, quiet_s, blank_s)
        if end is None:
            assert num_samples < rule.max_samples
            continue
        carried_s = end.num_carried * rule.step_samples / RATE
        assert carried_s <= (num_samples / RATE if quiet_s is None else quiet_s)
        assert end.num_carried <= rule.most_carried
        assert end.num_carried < num_samples // rule.step_samples
        for step in range(1, end.num_carried + 1):
            heard = step * rule.step_samples
            # quiet since a word of no length at its very start is the most there can be
            for quiet in (None, heard / RATE, rng.uniform(0, heard / RATE)):
                assert rule.end_of(heard, quiet, blank_s) is None
        num_carried += end.num_carried
    assert num_carried > 1_000


def test_a_pause_without_words_before_it_is_no_blank() -> None:
    rule = EndRule(2_560, 480_000)
    assert rule.end_of(64_000, None, 0.5) is None
    ended = rule.end_of(64_000, 3.0, 0.5)
    assert ended is not None
    assert ended.reason == "blank"


def test_the_nearer_its_longest_the_shorter_the_pause_in_which_a_segment_ends() -> None:
    rule = EndRule(1_280, 480_000)
    shortest = [
        next(
            quiet / 100
            for quiet in range(200)
            if rule.end_of(num_samples, quiet / 100, None) is not None
        )
        for num_samples in range(384_000, 480_001, 1_280)
    ]
    assert shortest == sorted(shortest, reverse=True)
    assert shortest[0] == 1.0
    assert shortest[-1] == 0.0
    assert rule.end_of(384_000 - 1_280, 10.0, None) is None


def test_at_its_longest_a_segment_ends_in_the_middle_of_a_word() -> None:
    ended = EndRule(1_280, 480_000).end_of(480_000, 0.0, 3.0)
    assert ended is not None
    assert (ended.reason, ended.num_carried) == ("length", 0)
