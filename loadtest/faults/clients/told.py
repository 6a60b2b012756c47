"""What happened to each request, as its client saw it. Times are of `time.monotonic`."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import httpx

from serve_app.wer import align

OK = "answered"
REFUSED = "refused"
"""Before it was accepted: 429, or 503 with a time to come back."""
UNREACHABLE = "unreachable"
"""Nothing was sent: no connection."""
CUT = "cut"
"""The connection ended under it: its proxy, its node or its balancer did. Nothing else can know."""
PROXY = "proxy error"
"""5xx of the proxy itself: the ingress that had it is gone."""
SERVER = "server error"
"""5xx of Chorus, which lived and could have tried again."""
LATE = "late"
"""No answer within the client's patience."""
WRONG = "wrong"
"""Answered, and not with what was said."""
NOT_ACCEPTED = (REFUSED, UNREACHABLE)
OF_THE_WIRE = (CUT, PROXY)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One exchange, or one connection of a stream."""

    began_at: float
    ended_at: float
    outcome: str
    detail: str = ""

    @property
    def took_s(self) -> float:
        return self.ended_at - self.began_at


@dataclass(frozen=True, slots=True)
class Words:
    """An answer's words beside those that an undisturbed server says."""

    num_words: int = 0
    num_lost: int = 0
    num_repeated: int = 0
    """Too many."""
    num_other: int = 0

    @property
    def is_right(self) -> bool:
        return not (self.num_lost or self.num_repeated or self.num_other)


@dataclass(slots=True)
class Request:
    """What one client wanted, until it had it or gave up."""

    wire: str
    began_at: float
    ended_at: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    is_answered: bool = False
    words: Words = field(default_factory=Words)
    silence_s: float = 0.0
    """Of a stream: the longest time without a text, less that of an undisturbed one."""
    silence_at: float = 0.0
    """When that began."""
    complaint: str = ""
    said: str = ""
    """Kept where it is wrong."""

    @property
    def took_s(self) -> float:
        return self.ended_at - self.began_at

    @property
    def is_undisturbed(self) -> bool:
        """Answered, rightly, at the first attempt."""
        return self.is_answered and len(self.attempts) == 1 and self.words.is_right


def compared(expected: Iterable[str], found: Iterable[str]) -> Words:
    expected, found = list(expected), list(found)
    pairs = align(expected, found)
    return Words(
        num_words=len(expected),
        num_lost=sum(not heard for _, heard in pairs),
        num_repeated=sum(not said for said, _ in pairs),
        num_other=sum(bool(said) and bool(heard) and said != heard for said, heard in pairs),
    )


def outcome_of(response: httpx.Response) -> tuple[str, str]:
    """Of a whole answer: the outcome, and the server's own name of what went wrong."""
    if response.is_success:
        return OK, ""
    try:
        code = str(json.loads(response.content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return PROXY, f"{response.status_code} {response.text.strip()[:80]}"
    detail = f"{response.status_code} {code}"
    is_refusal = response.status_code in (429, 503) and "retry-after" in response.headers
    return (REFUSED if is_refusal else SERVER), detail


def outcome_of_error(error: Exception) -> tuple[str, str]:
    """Of an exchange that has not come to an answer."""
    detail = f"{type(error).__name__}: {error}"[:120]
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return UNREACHABLE, detail
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return LATE, detail
    return CUT, detail


def bad_attempts(requests: Iterable[Request]) -> Iterator[Attempt]:
    for request in requests:
        yield from (each for each in request.attempts if each.outcome != OK)
