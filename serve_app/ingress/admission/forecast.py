"""What is under way and how fast it gets on, in; how long a newcomer would wait, out.

The ingress knows at once what it let in itself. What other ingresses sent, and the rate, come from
the preprocessors, which are asked about once a second while there is traffic: no request waits
for that. With nothing measured nobody is refused; the queues behind have their own bounds.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from serve_app.config import ServerConfig
from serve_app.errors import AtCapacityError, SpeechError
from serve_app.pipelines.length import PCM_BYTES_PER_S
from serve_app.pipelines.load import Load, ModelLoad

log = logging.getLogger(__name__)

_ASK_EVERY_S = 1.0
_ASK_TIMEOUT_S = 3.0
_FRESH_FOR_S = 3.0
"""For so long what a preprocessor has under way is believed."""
_FORGET_AFTER_S = 20.0
"""A preprocessor that was not heard of for so long may be gone; the last one's rate is kept."""
_OTHERS_CHANGE = (0.5, 2.0)
"""By what factor others' work may be thought to have changed since it was heard of."""
_RETRY_AFTER_S = (1.0, 60.0)
"""The least and the most that a refused client is told to wait."""


def forecast_of(config: ServerConfig, ask: Callable[[], Awaitable[Load]]) -> "Forecast":
    """For all models of a configuration; `ask` tells what one preprocessor has under way."""
    limits = config.limits
    return Forecast(
        {model.name: model.max_chunk_s for model in config.offline_models},
        max_wait_s=min(limits.max_wait_s, limits.request_timeout_s / 2),
        ask=ask,
    )


@dataclass(frozen=True, slots=True)
class _Report:
    load: Load
    heard_at: float


class _Line:
    """Recordings under way here: how much of them comes before a newcomer, at once for any number.

    Those that no turn can divide, because they are at most a chunk, are only added up.
    """

    def __init__(self, max_chunk_s: float) -> None:
        self._max_chunk_s = max_chunk_s
        self._short_s = 0.0
        self._long: dict[object, float] = {}
        self.num_recordings = 0

    @property
    def total_s(self) -> float:
        return self._short_s + sum(self._long.values())

    @contextmanager
    def place(self, audio_s: float) -> Iterator[None]:
        ticket = object()
        self.num_recordings += 1
        if audio_s > self._max_chunk_s:
            self._long[ticket] = audio_s
        else:
            self._short_s += audio_s
        try:
            yield
        finally:
            self.num_recordings -= 1
            if self._long.pop(ticket, None) is None:
                self._short_s -= audio_s

    def ahead_s(self, turn_s: float) -> float:
        """Of each recording as much as a newcomer's turns, which are at least a chunk."""
        return self._short_s + sum(min(each, turn_s) for each in self._long.values())


class Forecast:
    """Predicts, for each model, how long a newcomer waits until its turn.

    Recordings take turns, a chunk each, so of every other recording no more comes before a
    newcomer than the newcomer's own length, or one chunk where that is longer: a short request
    behind a long one waits for a part of it.
    """

    def __init__(
        self,
        max_chunk_s: Mapping[str, float],
        *,
        max_wait_s: float,
        ask: Callable[[], Awaitable[Load]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_chunk_s = max_chunk_s
        self._max_wait_s = max_wait_s
        self._ask = ask
        self._clock = clock
        self._inside = {name: _Line(chunk_s) for name, chunk_s in max_chunk_s.items()}
        self._arriving = _Line(min(max_chunk_s.values(), default=0.0))
        self._reports: dict[str, _Report] = {}
        self._mine_when_heard: dict[str, tuple[float, int]] = {}
        self._asked_at = -_ASK_EVERY_S
        self._asking: asyncio.Task[None] | None = None

    @contextmanager
    def arriving(self, num_bytes: int) -> Iterator[Callable[[], None]]:
        """Hold a place for an upload whose body comes next, `num_bytes` long as far as is known.

        Which model it is for stands in the body, so it is refused only if every model is too
        busy; its audio is taken for plain PCM, which most compressed uploads outlast. Call what
        is yielded when the body is there: from then on `place` counts it.

        Raises:
            AtCapacityError: it would wait too long for any of the models.
        """
        self.refresh()
        audio_s = num_bytes / PCM_BYTES_PER_S
        waits_s = (self.wait_s(name, audio_s, is_arriving=True) for name in self._inside)
        self._admit(min(waits_s, default=0.0))
        with ExitStack() as visit:
            visit.enter_context(self._arriving.place(audio_s))
            yield visit.close

    @contextmanager
    def place(self, model: str, audio_s: float) -> Iterator[None]:
        """Hold a place in front of `model` for a recording that is here now.

        Raises:
            AtCapacityError: it would wait too long for its turn.
        """
        self._admit(self.wait_s(model, audio_s))
        with self._inside[model].place(audio_s):
            yield

    def wait_s(self, model: str, audio_s: float, *, is_arriving: bool = False) -> float:
        """Until a recording of `audio_s` would have its turn; 0 where nothing is known.

        `is_arriving` counts the uploads that arrive now as well, whatever model they are for.
        """
        rate = self._audio_s_per_s(model)
        if not rate:
            return 0.0
        turn_s = max(audio_s, self._max_chunk_s[model])
        ahead_s = self._inside[model].ahead_s(turn_s)
        if is_arriving:
            ahead_s += self._arriving.ahead_s(turn_s)
        return (ahead_s + self._of_others_s(model, turn_s)) / rate

    def refresh(self) -> None:
        """Ask a preprocessor how it is, unless one was asked a moment ago; does not wait."""
        is_asking = self._asking is not None and not self._asking.done()
        if is_asking or self._clock() - self._asked_at < _ASK_EVERY_S:
            return
        self._asked_at = self._clock()
        self._asking = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                load = await self._ask()
        except (TimeoutError, SpeechError) as error:
            log.warning("no preprocessor tells how much it has to do: %r", error)
            return
        since = self._clock() - _FORGET_AFTER_S
        kept = {name: each for name, each in self._reports.items() if each.heard_at >= since}
        self._reports = {**kept, load.replica: _Report(load, self._clock())}
        self._mine_when_heard = {
            model: (mine.total_s, mine.num_recordings) for model, mine in self._inside.items()
        }

    def _of_others_s(self, model: str, turn_s: float) -> float:
        """What other ingresses sent and would come before a newcomer.

        They had so much when a preprocessor was last heard. What has come and gone here since
        is taken for what has come and gone there, within bounds, for requests are shared out
        evenly: else each ingress would fill the same gap by itself.
        """
        fresh = self._loads(model, within_s=_FRESH_FOR_S)
        mine_s, num_mine = self._mine_when_heard.get(model, (0.0, 0))
        others_s = sum(load.remaining_audio_s for load in fresh) - mine_s
        num_others = sum(load.num_recordings for load in fresh) - num_mine
        now_s = self._inside[model].total_s
        least, most = _OTHERS_CHANGE
        change = min(max(now_s / mine_s, least), most) if mine_s else 1.0
        return max(0.0, min(others_s, num_others * turn_s) * change)

    def _audio_s_per_s(self, model: str) -> float:
        loads = self._loads(model, within_s=_FORGET_AFTER_S)
        if not loads and self._reports:  # an ingress that had nothing to do has not asked
            newest = max(self._reports.values(), key=lambda report: report.heard_at)
            loads = [load for load in newest.load.models if load.model == model]
        return sum(load.audio_s_per_s or 0.0 for load in loads)

    def _loads(self, model: str, *, within_s: float) -> list[ModelLoad]:
        since = self._clock() - within_s
        heard = [report.load for report in self._reports.values() if report.heard_at >= since]
        return [load for each in heard for load in each.models if load.model == model]

    def _admit(self, wait_s: float) -> None:
        if wait_s <= self._max_wait_s:
            return
        least_s, most_s = _RETRY_AFTER_S
        retry_after_s = min(max(wait_s - self._max_wait_s, least_s), most_s)
        raise AtCapacityError(f"the wait would be {wait_s:.0f} s", retry_after_s)
