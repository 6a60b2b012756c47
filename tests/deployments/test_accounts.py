"""What a key may use: so many requests, so much audio, so many streams; and when it may again."""

import pytest

from serve_app.deployments.ledger.accounts import LEASE_S, Ledger, Limits, Refusal

NOON = 12 * 3600.0
NONE = Limits()


class Clock:
    def __init__(self, now_s: float = NOON) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(clock)


def requests(ledger: Ledger, limits: Limits, num: int, key: str = "alice") -> list[Refusal | None]:
    return [ledger.admit(key, limits, works=True) for _ in range(num)]


def test_who_has_no_limits_is_never_refused(ledger: Ledger) -> None:
    ledger.note("alice", 1e9)
    assert requests(ledger, NONE, 1000) == [None] * 1000


def test_a_minutes_requests_may_come_at_once_and_then_at_their_rate(
    ledger: Ledger, clock: Clock
) -> None:
    limits = Limits(requests_per_minute=60)
    assert requests(ledger, limits, 60) == [None] * 60
    assert requests(ledger, limits, 1) == [Refusal("requests_per_minute", 60, 1.0)]
    clock.now_s += 2.0
    first, second, third = requests(ledger, limits, 3)
    assert (first, second) == (None, None)
    assert third is not None


def test_a_bucket_holds_no_more_than_a_minute(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(requests_per_minute=2)
    requests(ledger, limits, 2)
    clock.now_s += 3600.0
    assert [refusal is None for refusal in requests(ledger, limits, 3)] == [True, True, False]


def test_who_may_ask_less_than_once_a_minute_may_ask_once(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(requests_per_minute=0.5)
    assert requests(ledger, limits, 2) == [None, Refusal("requests_per_minute", 0.5, 120.0)]
    clock.now_s += 120.0
    assert requests(ledger, limits, 1) == [None]


def test_a_refused_request_costs_nothing(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(requests_per_minute=60)
    requests(ledger, limits, 160)
    clock.now_s += 1.0
    assert requests(ledger, limits, 1) == [None]


def test_a_clock_set_back_neither_fills_nor_empties(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(requests_per_minute=2)
    requests(ledger, limits, 1)
    clock.now_s -= 1800.0
    assert [refusal is None for refusal in requests(ledger, limits, 2)] == [True, False]


def test_a_limit_that_is_raised_holds_from_then_on(ledger: Ledger, clock: Clock) -> None:
    requests(ledger, Limits(requests_per_minute=1), 1)
    clock.now_s += 1.0
    assert requests(ledger, Limits(requests_per_minute=60), 1) == [None]


def test_keys_do_not_share(ledger: Ledger) -> None:
    limits = Limits(requests_per_minute=1, audio_s_per_day=10)
    ledger.note("alice", 10)
    assert requests(ledger, limits, 1, "alice") != [None]
    assert requests(ledger, limits, 1, "bob") == [None]


def test_who_has_used_up_the_day_waits_for_midnight_utc(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(audio_s_per_day=100)
    ledger.note("alice", 99.9)
    assert requests(ledger, limits, 1) == [None]
    ledger.note("alice", 50.0)
    assert requests(ledger, limits, 1) == [Refusal("audio_s_per_day", 100, 12 * 3600.0)]
    clock.now_s = 24 * 3600.0
    assert requests(ledger, limits, 1) == [None]


def test_who_has_used_up_the_day_may_still_look_around(ledger: Ledger) -> None:
    ledger.note("alice", 100.0)
    assert ledger.admit("alice", Limits(audio_s_per_day=100), works=False) is None


def test_streams_are_counted_until_they_end(ledger: Ledger) -> None:
    limits = Limits(concurrent_streams=2)
    assert ledger.admit("alice", limits, works=True, stream="a") is None
    assert ledger.admit("alice", limits, works=True, stream="b") is None
    refusal = ledger.admit("alice", limits, works=True, stream="c")
    assert refusal is not None
    assert refusal.limit == "concurrent_streams"
    assert ledger.admit("alice", limits, works=True) is None, "a request is no stream"
    ledger.note("alice", 0.0, stream="a", is_over=True)
    assert ledger.admit("alice", limits, works=True, stream="c") is None


def test_a_stream_that_nobody_renews_is_over(ledger: Ledger, clock: Clock) -> None:
    limits = Limits(concurrent_streams=1)
    ledger.admit("alice", limits, works=True, stream="a")
    clock.now_s += LEASE_S - 1.0
    ledger.note("alice", 0.0, stream="a")
    clock.now_s += LEASE_S - 1.0
    assert ledger.admit("alice", limits, works=True, stream="b") is not None
    clock.now_s += 1.0
    assert ledger.admit("alice", limits, works=True, stream="b") is None


def test_a_ledger_that_began_anew_learns_of_streams_by_their_renewals(ledger: Ledger) -> None:
    ledger.note("alice", 0.0, stream="a")
    assert ledger.admit("alice", Limits(concurrent_streams=1), works=True, stream="b") is not None


def test_a_refused_stream_takes_no_request(ledger: Ledger) -> None:
    limits = Limits(requests_per_minute=2, concurrent_streams=1)
    ledger.admit("alice", limits, works=True, stream="a")
    ledger.admit("alice", limits, works=True, stream="b")
    assert ledger.admit("alice", limits, works=True) is None


def test_a_stream_that_is_renewed_hears_when_the_days_audio_is_used_up(
    ledger: Ledger, clock: Clock
) -> None:
    limits = Limits(audio_s_per_day=30.0, concurrent_streams=1)
    assert ledger.admit("alice", limits, works=True, stream="a") is None
    assert ledger.renew("alice", limits, 20.0, stream="a") is None
    refusal = Refusal("audio_s_per_day", 30.0, 12 * 3600.0)
    assert ledger.renew("alice", limits, 10.0, stream="a") == refusal
    assert ledger.renew("alice", NONE, 10.0, stream="a") is None, "as its limits are now"
    clock.now_s += LEASE_S - 1  # it is renewed all the same, while it is told what it is owed
    assert ledger.admit("alice", Limits(concurrent_streams=1), works=True, stream="b") is not None
