"""The lane in front of a model: what has arrived joins into a batch each time the model is free.

`@serve.batch` alone does not conserve work, because it cuts its batches before it knows when the
model will take them. Here a batch is cut at the last moment: when the model is free, or, while it
is busy, as soon as the next batch is full; that one is then laid out while the other runs, and
follows it at once.

Recordings take turns, a chunk each, into windows, which are cut into batches of like lengths (see
`windows`). Let a chunk arrive alone of its recording, n recordings wait that have a chunk which no
window has taken, w be the most rows of a window, and c = ⌊budget ÷ longest chunk⌋ (at least 1, at
most `max_batch_size`): then no more than 4 + ⌈n ÷ c⌉ + 2⌈w ÷ c⌉ batches run before its own, the
one in the model and the one laid out included.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from serve_app.config import BatchConfig
from serve_app.deployments.batching.pace import BatchReport, Pace
from serve_app.deployments.batching.windows import Windows
from serve_app.deployments.watching.batches import trace_batch
from serve_app.errors import AtCapacityError, EngineError
from serve_app.models.protocols import (
    DeviceMemoryError,
    ModelBrokenError,
    Recognition,
    RecognitionRequest,
    Recognizer,
)
from serve_app.transcript.types import Hypothesis

logger = logging.getLogger(__name__)

_MAX_FAILED_RECORDINGS = 4
"""Recordings that failed with no success between: no longer their fault, but the model's."""


@dataclass(slots=True, eq=False)
class _Row:
    """A request in the lane, and the future that its caller awaits."""

    request: RecognitionRequest
    answer: asyncio.Future[Recognition]
    arrived_at: float = field(default_factory=time.perf_counter)

    @property
    def audio_s(self) -> float:
        return self.request.chunk.duration_s


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of one run of the model."""

    hypotheses: list[Hypothesis]
    began_at: float
    model_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Rows that are in the model's thread, or next in its queue."""

    rows: list[_Row]
    ran: asyncio.Future[_Ran]


class Lane:
    """Recordings take turns into windows; a batch takes rows of like lengths from the open one."""

    def __init__(
        self, recognizer: Recognizer, config: BatchConfig, report: Callable[[BatchReport], None]
    ) -> None:
        self._name = uuid.uuid4().hex
        self._recognizer = recognizer
        self._config = config
        self._report = report
        self._waiting = Windows[_Row](lambda row: row.audio_s)
        self.pace = Pace()
        self._waiting_s = 0.0
        self._some_cancelled = False
        self._arrival = asyncio.Event()
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._layout_thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._batch_began_at: float | None = None
        self._failed_recordings: set[str] = set()
        self._loop_task = asyncio.get_running_loop().create_task(self._run())

    @property
    def waiting_audio_s(self) -> float:
        """Audio seconds that no batch has taken yet."""
        self._drop_cancelled()
        return self._waiting_s

    @property
    def num_waiting(self) -> int:
        """Chunks that no batch has taken yet."""
        self._drop_cancelled()
        return len(self._waiting)

    @property
    def num_recordings_waiting(self) -> int:
        """That have a chunk which no window has taken."""
        self._drop_cancelled()
        return self._waiting.num_recordings

    @property
    def busy_for_s(self) -> float:
        """How long the batch in the model has been there; 0 if there is none."""
        return 0.0 if self._batch_began_at is None else time.perf_counter() - self._batch_began_at

    @property
    def is_broken(self) -> bool:
        """Whether the replica should be replaced: its model answers nobody any more."""
        return self._loop_task.done() or len(self._failed_recordings) >= _MAX_FAILED_RECORDINGS

    def configure(self, config: BatchConfig) -> None:
        """Cut the next batches by `config`."""
        self._config = config

    def submit(self, request: RecognitionRequest) -> asyncio.Future[Recognition]:
        """Queue one chunk. Cancelling the future takes it out, unless its batch has begun.

        Raises:
            AtCapacityError: more waits here than a preprocessor may decode ahead for a replica;
                those that keep to what they may hand over do not meet this.
            ModelBrokenError: the model answers nobody any more.
        """
        if self.is_broken:
            raise ModelBrokenError(self._recognizer.info.name)
        waiting_s = self.waiting_audio_s
        if self._waiting and waiting_s + request.chunk.duration_s > self._config.max_queued_audio_s:
            raise AtCapacityError(f"{waiting_s:.0f} s of audio wait for this model", 2.0)
        row = _Row(request, asyncio.get_running_loop().create_future())
        row.answer.add_done_callback(self._note_cancelled)
        self._waiting.add(request.recording, row)
        self._waiting_s += row.audio_s
        self._arrival.set()
        return row.answer

    async def close(self) -> None:
        """Stop. Serve does so only when nobody waits any more; who still does is cancelled."""
        self._loop_task.cancel()
        await asyncio.gather(self._loop_task, return_exceptions=True)
        for row in self._waiting:
            row.answer.cancel()
        self._model_thread.shutdown(wait=False, cancel_futures=True)
        self._layout_thread.shutdown(wait=False)

    async def _run(self) -> None:
        """What is laid out ahead is in the queue of the model's thread at once, so that the model
        goes on by itself, and not only when the rows before have their answers."""
        batch: _Batch | None = None
        while True:
            if batch is None:
                rows = await self._cut_when_any_waits()
                batch = self._begin(rows, await self._lay_out(rows))
            following = await self._lay_out_ahead(batch)
            await self._answer(batch)
            batch = following

    async def _cut_when_any_waits(self) -> list[_Row]:
        while not (rows := self._cut()):
            self._arrival.clear()
            await self._arrival.wait()
        return rows

    async def _lay_out_ahead(self, batch: _Batch) -> _Batch | None:
        """While the model runs, begin the next batch once it could not grow any more."""
        while not batch.ran.done():
            if self._next_is_full():
                rows = self._cut()
                return self._begin(rows, await self._lay_out(rows))
            self._arrival.clear()
            arrival = asyncio.ensure_future(self._arrival.wait())
            either: set[asyncio.Future[Any]] = {batch.ran, arrival}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            arrival.cancel()
        return None

    def _note_cancelled(self, answer: asyncio.Future[Recognition]) -> None:
        self._some_cancelled |= answer.cancelled()

    def _drop_cancelled(self) -> None:
        if self._some_cancelled:
            self._some_cancelled = False
            self._waiting.keep(lambda row: not row.answer.done())
            self._waiting_s = self._waiting.audio_s

    def _next_is_full(self) -> bool:
        self._drop_cancelled()
        return self._waiting.fill_a_batch(self._config)

    def _cut(self) -> list[_Row]:
        self._drop_cancelled()
        rows = self._waiting.cut(self._config, self.pace.full_per_s(self._config))
        # Not by subtraction alone: an empty lane holds 0 s, and not a rounding error.
        left_s = self._waiting_s - sum(row.audio_s for row in rows)
        self._waiting_s = max(0.0, left_s) if self._waiting else 0.0
        return rows

    async def _lay_out(self, rows: Sequence[_Row]) -> object:
        requests = [row.request for row in rows]
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._layout_thread, self._recognizer.prepare, requests
            )
        except Exception as error:  # one unfit row must not end the lane; rows are tried one by one
            logger.exception("a batch of %d chunks could not be laid out", len(rows))
            return error

    def _begin(self, rows: list[_Row], prepared: object) -> _Batch:
        loop = asyncio.get_running_loop()
        return _Batch(rows, loop.run_in_executor(self._model_thread, self._run_model, prepared))

    def _run_model(self, prepared: object) -> _Ran:
        """In the model's thread."""
        if isinstance(prepared, Exception):
            raise prepared
        began_at = self._batch_began_at = time.perf_counter()
        try:
            hypotheses = self._recognizer.recognize(prepared)
        except DeviceMemoryError as error:
            # Its trace holds what the model had allocated, and the next batch begins now.
            error.__cause__ = error.__context__ = None
            failure = error.with_traceback(None)
        else:
            return _Ran(hypotheses, began_at, time.perf_counter() - began_at)
        finally:
            self._batch_began_at = None
        raise failure

    async def _answer(self, batch: _Batch) -> None:
        """Answer the rows of one batch; a batch that fails is halved until it is one row."""
        rows = batch.rows
        ran: _Ran | None = None
        try:
            ran = await batch.ran
            if len(ran.hypotheses) != len(rows):
                raise ValueError(f"{len(ran.hypotheses)} hypotheses for {len(rows)} chunks")
        except Exception as error:  # the model's failure belongs to these rows, not to the lane
            if len(rows) == 1:
                self._fail(rows[0], error)
                return
            if not isinstance(error, DeviceMemoryError):
                logger.exception("a batch of %d chunks failed; it is halved", len(rows))
            ran = None
        if ran is None:
            await self._halve([row for row in rows if not row.answer.done()])
            return
        self._failed_recordings.clear()
        for row, hypothesis in zip(rows, ran.hypotheses, strict=True):
            if not row.answer.done():
                queue_s = ran.began_at - row.arrived_at
                row.answer.set_result(
                    Recognition(hypothesis, queue_s, ran.model_s, len(rows), self._name)
                )
        lengths = [row.audio_s for row in rows]
        report = BatchReport(len(rows), sum(lengths), max(lengths) * len(rows), ran.model_s)
        self.pace.ran(report)
        self._report(report)
        trace_batch(
            self._recognizer.info.name,
            [(row.request.trace, row.arrived_at) for row in rows],
            began_at=ran.began_at,
            model_s=ran.model_s,
            audio_s=report.audio_s,
            padded_s=report.padded_s,
            now=time.perf_counter(),
        )

    async def _halve(self, rows: list[_Row]) -> None:
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            if half:
                await self._answer(self._begin(half, await self._lay_out(half)))

    def _fail(self, row: _Row, error: Exception) -> None:
        logger.error("a chunk of %.1f s failed", row.audio_s, exc_info=error)
        if row.answer.done():
            return
        name = self._recognizer.info.name
        reason = "out of device memory" if isinstance(error, DeviceMemoryError) else str(error)
        row.answer.set_exception(EngineError(name, reason))
        self._failed_recordings.add(row.request.recording or uuid.uuid4().hex)
        if self.is_broken:
            for waiting in self._waiting.take_all():
                if not waiting.answer.done():
                    waiting.answer.set_exception(ModelBrokenError(name))
            self._waiting_s = 0.0
