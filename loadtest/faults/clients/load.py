"""All clients at once, at a steady rate, from a start to an end; before that, what they shall hear.

Arrivals wait for nobody: a server that is away for ten seconds has ten seconds of them to answer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from loadtest.faults.clients.jobs import hand_in
from loadtest.faults.clients.live import Talk, speak
from loadtest.faults.clients.told import Request
from loadtest.faults.clients.uploads import PATH, Clip, upload
from loadtest.users.checking import words_of
from loadtest.users.speech import Speech, Wanted, speech_for

_SEED = 11
_NUM_CLIPS = 16
_LONGEST_CLIP_S = 8.0
_CONNECTIONS = httpx.Limits(max_connections=200, max_keepalive_connections=8, keepalive_expiry=5)
_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
WANTED = Wanted(clip_s=3.0, stream_s=8.0, long_s=30.0, num_mixed=24, num_streams=8)


@dataclass(frozen=True, slots=True)
class Rates:
    """What comes, per second; and how many people speak at any time."""

    uploads: float = 1.5
    events: float = 0.4
    jobs: float = 0.1
    num_talkers: int = 4
    talk_s: float = 20.0
    """At least, of each stream."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the clients say, and what an undisturbed server makes of it."""

    clips: tuple[Clip, ...]
    talks: tuple[Talk, ...]
    stream_model: str


async def script_of(url: str, models: tuple[str, ...], stream_model: str, rates: Rates) -> Script:
    """Asks a calm server for each clip and each talk once: its answers are what is right from then
    on, whatever happens to it."""
    speech = await asyncio.to_thread(speech_for, WANTED)
    chosen = [clip for clip in speech.clips if clip.duration_s <= _LONGEST_CLIP_S][:_NUM_CLIPS]
    clips = []
    async with _client(url) as http:
        for model in models:
            for spoken in chosen:
                content = speech.content(spoken)
                form = {"model": model, "language": "en"}
                files = {"file": (spoken.name, content)}
                answer = await http.post(PATH, data=form, files=files)
                answer.raise_for_status()
                words = tuple(words_of(answer.json()["text"]))
                clips.append(Clip(spoken.name, content, model, words))
    talks = await _talks(url, stream_model, speech, rates) if stream_model else ()
    return Script(tuple(clips), talks, stream_model)


async def _talks(url: str, model: str, speech: Speech, rates: Rates) -> tuple[Talk, ...]:
    numbers = range(rates.num_talkers)
    unheard = [speech.stream(number, at_least_s=rates.talk_s)[1] for number in numbers]
    told: list[Request] = []
    talking = (speak(url, model, Talk(pcm, ()), told.append) for pcm in unheard)
    words = await asyncio.gather(*talking)
    complaints = [each.complaint for each in told if each.complaint]
    assert not complaints, complaints
    return tuple(Talk(pcm, said) for pcm, said in zip(unheard, words, strict=True))


@dataclass
class Load:
    """From `start` to `stop`; `requests` grows meanwhile."""

    url: str
    script: Script
    rates: Rates
    requests: list[Request] = field(default_factory=list)
    _rng: random.Random = field(default_factory=lambda: random.Random(_SEED))
    _sources: list[asyncio.Task[None]] = field(default_factory=list)
    _under_way: set[asyncio.Task[object]] = field(default_factory=set)
    _http: httpx.AsyncClient | None = None

    async def start(self) -> None:
        http = self._http = _client(self.url)
        told, rates = self.requests.append, self.rates
        sources: list[tuple[float, Callable[[], Awaitable[object]]]] = [
            (rates.uploads, lambda: upload(http, self._clip(), told)),
            (rates.events, lambda: upload(http, self._clip(), told, events=True)),
            (rates.jobs, lambda: hand_in(http, self._clip(), told)),
        ]
        self._sources = [
            asyncio.create_task(self._arrive(per_s, ask)) for per_s, ask in sources if per_s > 0
        ]
        if self.script.talks:
            self._sources += [
                asyncio.create_task(self._keep_talking(number))
                for number in range(rates.num_talkers)
            ]

    async def stop(self) -> None:
        """No new ones; returns when all have ended."""
        for task in self._sources:
            task.cancel()
        await asyncio.gather(*self._sources, return_exceptions=True)
        await asyncio.gather(*self._under_way)
        assert self._http is not None
        await self._http.aclose()

    def _clip(self) -> Clip:
        return self._rng.choice(self.script.clips)

    async def _arrive(self, per_s: float, ask: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            next_at += self._rng.expovariate(per_s)
            await asyncio.sleep(max(0.0, next_at - loop.time()))
            self._begin(ask())

    async def _keep_talking(self, number: int) -> None:
        talks, script = self.script.talks, self.script
        # Not in step with each other: a fault is to meet them at different places.
        await asyncio.sleep(number * talks[0].duration_s / self.rates.num_talkers)
        while True:
            talk = self._rng.choice(talks)
            talking = speak(self.url, script.stream_model, talk, self.requests.append)
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._begin(talking))
                continue
            return

    def _begin(self, ask: Awaitable[object]) -> "asyncio.Task[object]":
        task = asyncio.ensure_future(ask)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task  # type: ignore[return-value]  # of a coroutine


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, limits=_CONNECTIONS, timeout=_TIMEOUT)
