"""What each API key may still use, in; whether it may go on, out. Pure: no Ray, no waiting.

One `Ledger` counts for a whole server. It lives in memory: who begins anew has forgotten the day.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

LEASE_S = 60.0
"""A stream that nobody has renewed for so long is over: its ingress died."""
RENEW_S = LEASE_S / 3
"""How often whoever holds a stream says so; two calls may get lost."""

_DAY_S = 24 * 3600
_MINUTE_S = 60.0
_STREAM_RETRY_S = 5.0
"""Nobody knows when a stream will end; the caller may look again after this."""

LimitName: TypeAlias = Literal["requests_per_minute", "audio_s_per_day", "concurrent_streams"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may use; None is as much as there is."""

    requests_per_minute: float | None = None
    """A bucket of so many that fills at this rate: a key that was quiet may use it up at once."""
    audio_s_per_day: float | None = None
    """From 0:00 UTC to 0:00 UTC. Counted once known, so the last recording may go beyond it, and
    streams by what they hear between two renewals."""
    concurrent_streams: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which limit stands in the way, and when to come back."""

    limit: LimitName
    value: float
    retry_after_s: float


@dataclass(slots=True)
class _Account:
    """What one key has used."""

    num_tokens: float
    filled_at: float
    day: int = 0
    audio_s: float = 0.0
    """Of `day`."""
    leases: dict[str, float] = field(default_factory=dict)
    """Stream → when it is over unless renewed."""


class Ledger:
    """The accounts of all keys, by name; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def admit(
        self, key: str, limits: Limits, *, works: bool, stream: str | None = None
    ) -> Refusal | None:
        """Count one request of `key`, unless a limit stands in the way; then nothing is counted.

        `works` is whether it would have audio transcribed, `stream` the name of the stream that
        it would open, which must be renewed by `note`.
        """
        now = self._clock()
        account = self._account(key, limits, now)
        refusal = (
            (_refused_audio(account, limits, now) if works else None)
            or (_refused_stream(account, limits) if stream is not None else None)
            or _refused_request(account, limits)
        )
        if refusal is None:
            account.num_tokens -= 1.0
            if stream is not None:
                account.leases[stream] = now + LEASE_S
        return refusal

    def renew(self, key: str, limits: Limits, audio_s: float, *, stream: str) -> Refusal | None:
        """Charge `audio_s` to `key`, renew its `stream`, and say whether it may go on."""
        self.note(key, audio_s, stream=stream)
        return _refused_audio(self._accounts[key], limits, self._clock())

    def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None:
        """Charge `audio_s` to `key`; renew its `stream`, or let it go.

        A stream that is not known is taken in: a ledger that began anew learns of it here.
        """
        now = self._clock()
        account = self._account(key, None, now)
        account.audio_s += audio_s
        if stream is not None and is_over:
            account.leases.pop(stream, None)
        elif stream is not None:
            account.leases[stream] = now + LEASE_S

    def _account(self, key: str, limits: Limits | None, now: float) -> _Account:
        """The account as it is `now`: filled up, of today, without streams that are over."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(num_tokens=float("inf"), filled_at=now)
        rate = limits.requests_per_minute if limits is not None else None
        if rate is not None:
            # A clock that was set back must not empty the bucket.
            filled = account.num_tokens + max(0.0, now - account.filled_at) * rate / _MINUTE_S
            account.num_tokens = min(max(rate, 1.0), filled)
            account.filled_at = now
        today = int(now // _DAY_S)
        if account.day != today:
            account.day, account.audio_s = today, 0.0
        for stream in [name for name, until in account.leases.items() if until <= now]:
            del account.leases[stream]
        return account


def _refused_audio(account: _Account, limits: Limits, now: float) -> Refusal | None:
    limit = limits.audio_s_per_day
    if limit is None or account.audio_s < limit:
        return None
    return Refusal("audio_s_per_day", limit, _DAY_S - now % _DAY_S)


def _refused_stream(account: _Account, limits: Limits) -> Refusal | None:
    limit = limits.concurrent_streams
    if limit is None or len(account.leases) < limit:
        return None
    return Refusal("concurrent_streams", limit, _STREAM_RETRY_S)


def _refused_request(account: _Account, limits: Limits) -> Refusal | None:
    limit = limits.requests_per_minute
    if limit is None or account.num_tokens >= 1.0:
        return None
    missing = 1.0 - account.num_tokens
    return Refusal("requests_per_minute", limit, missing * _MINUTE_S / limit)
