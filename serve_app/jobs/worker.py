"""Leases of the store in, results of the graph in the store out; whatever happens to either.

A worker that dies loses its leases, and others take them. One that cannot reach the store works on,
and records what it has when the store is back, if its lease still holds.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from serve_app.config import JobsConfig
from serve_app.errors import (
    AtCapacityError,
    AudioError,
    CapacityError,
    DeadlineExceededError,
    DecoderLostError,
    EngineError,
    RequestError,
    SpeechError,
    UndecodableAudioError,
)
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.callbacks import Callbacks
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import Lease
from serve_app.pipelines.transcription import Progress, StoredTranscriber
from serve_app.telemetry import tracing
from serve_app.transcript.types import Transcript

logger = logging.getLogger(__name__)

_KEEP_S = 10.0
"""Between two looks for what is to be forgotten."""
_TIDY_S = 3600.0
_AT_ONCE = 100
"""Jobs that are forgotten, and callbacks that are delivered, in one go."""
_PATIENCE_S = 30.0
"""For one call of the store, beyond its own time-outs."""
_MAX_RETRY_S = 600.0
_MAX_PAUSE_S = 10.0
_UNFINISHED_S = 86_400.0
"""A recording that nobody has written to for so long never became a job."""
_HIS_OWN_FAULT = (AudioError, RequestError)
"""What the recording, or what was asked, is to blame for: another attempt would end the same."""


@dataclass(slots=True)
class _Work:
    """One file that is being transcribed."""

    lease: Lease
    progress: Progress
    task: asyncio.Task[None]
    is_lost: bool = False
    """Whether it is another's by now, or nobody's: nothing is to be recorded."""


class Worker:
    """Works on up to `max_concurrent` files at once, until it is closed."""

    def __init__(
        self,
        store: JobStore,
        audio: AudioStore,
        transcriber: StoredTranscriber,
        config: JobsConfig,
        callbacks: Callbacks | None,
        ended: Callable[[str], object] = lambda outcome: None,
    ) -> None:
        """`ended` is told how each attempt at a file ended, once that is recorded: `completed`,
        `failed`, `retried`."""
        self.name = uuid.uuid4().hex
        self._store = store
        self._audio = audio
        self._transcriber = transcriber
        self._config = config
        self._callbacks = callbacks
        self._ended = ended
        self._work: dict[str, _Work] = {}
        """By the token of its lease."""
        self._has_room = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the background."""
        loops: list[tuple[Callable[[], Awaitable[object]], float]] = [
            (self.turn, self._config.poll_s),
            (self.keep, _KEEP_S),
            (self.tidy, _TIDY_S),
        ]
        if self._callbacks is not None:
            loops.append((self.deliver, self._config.poll_s))
        self._loops = [asyncio.create_task(self._for_ever(*each)) for each in loops]

    @property
    def num_under_way(self) -> int:
        """Files that are being transcribed."""
        return len(self._work)

    @property
    def is_alive(self) -> bool:
        return not any(loop.done() for loop in self._loops)

    async def close(self) -> None:
        """Stop, and give back what is under way, so that others need not wait for it."""
        for loop in self._loops:
            loop.cancel()
        works = list(self._work.values())
        for work in works:
            work.is_lost = True
            work.task.cancel()
        await asyncio.gather(*self._loops, *(work.task for work in works), return_exceptions=True)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._store.give_back([work.lease.token for work in works])
        except Exception:  # whatever a database raises; the leases run out by themselves
            logger.exception("jobs under way could not be given back")

    async def turn(self) -> None:
        """Renew what is held, stop what is lost, and take more where there is room."""
        held = {token: work.progress for token, work in self._work.items()}
        for token in await self._store.renew(held, lease_s=self._config.lease_s):
            work = self._work.get(token)
            if work is not None:
                work.is_lost = True
                work.task.cancel()
        room = self._config.max_concurrent - len(self._work)
        if room > 0:
            leases = await self._store.lease(self.name, most=room, lease_s=self._config.lease_s)
            for lease in leases:
                self._begin(lease)

    def _begin(self, lease: Lease) -> None:
        task = asyncio.create_task(self._run(lease))
        self._work[lease.token] = _Work(lease, Progress(0.0, lease.expected_s), task)

        def ended(_: asyncio.Task[None]) -> None:
            del self._work[lease.token]
            self._has_room.set()

        task.add_done_callback(ended)

    async def _run(self, lease: Lease) -> None:
        """Transcribe one file and record how it ends; nothing where the lease is lost."""
        try:
            with tracing.span(
                "job", {"chorus.job_id": lease.job_id, "chorus.file": lease.file_index}
            ):
                transcript = await self._transcribed(lease)
        except TimeoutError:
            await self._failed(lease, DeadlineExceededError(lease.request.timeout_s))
        except SpeechError as error:
            await self._failed(lease, error)
        except Exception as error:  # a bug; the job is told of it, and others go on
            logger.exception("job %s failed", lease.job_id)
            await self._failed(lease, EngineError(lease.request.model, repr(error)))
        else:
            await self._recorded(
                lease, "completed", lambda: self._store.complete(lease, transcript)
            )

    async def _transcribed(self, lease: Lease) -> Transcript:
        """Live requests come first: where the graph is full, the job waits and tries again."""
        pause_s = self._config.poll_s
        while True:
            try:
                return await self._heard(lease)
            except CapacityError as error:
                if self._work[lease.token].progress.done_s > 0:  # it was under way, and is lost
                    raise EngineError(lease.request.model, str(error)) from error
                logger.info("job %s waits: %s", lease.job_id, error)
                await asyncio.sleep(max(pause_s, min(error.retry_after_s, _MAX_PAUSE_S)))
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    async def _heard(self, lease: Lease) -> Transcript:
        """One attempt; its time counts from when it has had its turn."""
        timeout_s, has_begun = lease.request.timeout_s, False
        parts = self._transcriber.stream_stored(lease.audio, lease.request, lease.expected_s)
        try:
            async with asyncio.timeout(timeout_s) as limit, aclosing(parts):
                async for part in parts:
                    if isinstance(part, Transcript):
                        return part
                    self._work[lease.token].progress = part
                    if not has_begun:
                        has_begun = True
                        limit.reschedule(asyncio.get_running_loop().time() + timeout_s)
        except FileNotFoundError as error:
            raise UndecodableAudioError("its audio is gone from the store") from error
        except TimeoutError as error:
            if not limit.expired():
                reason = str(error) or "somebody did not answer in time"
                raise EngineError(lease.request.model, reason) from error
            if not has_begun:
                raise AtCapacityError("no decoder is free", self._config.poll_s) from error
            raise
        raise EngineError(lease.request.model, "it ended without a transcript")

    async def _failed(self, lease: Lease, error: SpeechError) -> None:
        retry_in_s = None
        is_hopeless = isinstance(error, _HIS_OWN_FAULT) and not isinstance(error, DecoderLostError)
        if not is_hopeless and lease.num_attempts < self._config.max_attempts:
            retry_in_s = min(self._config.retry_s * 2.0 ** (lease.num_attempts - 1), _MAX_RETRY_S)
        logger.warning("job %s, file %d: %s", lease.job_id, lease.file_index, error)
        outcome = "failed" if retry_in_s is None else "retried"
        await self._recorded(
            lease, outcome, lambda: self._store.fail(lease, error, retry_in_s=retry_in_s)
        )

    async def _recorded(
        self, lease: Lease, outcome: str, record: Callable[[], Awaitable[bool]]
    ) -> None:
        """Whatever it takes, for as long as the lease may hold: hours of work are in it."""
        give_up_at = time.monotonic() + self._config.lease_s
        while not self._work[lease.token].is_lost:
            try:
                if await record():
                    self._ended(outcome)
                return
            except Exception:  # whatever a database raises
                if time.monotonic() > give_up_at:
                    raise
                logger.exception("the end of job %s is not recorded yet", lease.job_id)
                await asyncio.sleep(self._config.poll_s)

    async def deliver(self) -> None:
        """Deliver the callbacks that are due."""
        assert self._callbacks is not None
        due = await self._store.deliveries(
            self.name, most=_AT_ONCE, lease_s=self._callbacks.lease_s
        )
        delivering = (self._callbacks.deliver(self._store, each) for each in due)
        for failure in await asyncio.gather(*delivering, return_exceptions=True):
            if isinstance(failure, Exception):
                logger.error("a callback's end is not recorded", exc_info=failure)

    async def keep(self) -> None:
        """Forget what is over, and what never began."""
        for each in await self._store.expire(most=_AT_ONCE):
            await self._audio.delete(each)
        if self._config.keep_audio:
            return
        while audio := await self._store.take_audio_of_ended(most=_AT_ONCE):
            for each in audio:
                await self._audio.delete(each)

    async def tidy(self) -> None:
        """Delete recordings that never became a job's, or no longer are: processes die."""
        await self._audio.sweep(older_than_s=_UNFINISHED_S)
        old = await self._audio.older(than_s=_UNFINISHED_S)
        nobodys = set(await self._store.without_job([audio.url for audio in old]))
        for audio in old:
            if audio.url in nobodys:
                await self._audio.delete(audio)

    async def _for_ever(self, step: Callable[[], Awaitable[object]], every_s: float) -> None:
        """Again and again, at once where there is room for more."""
        pause_s = every_s
        while True:
            if step == self.turn:
                self._has_room.clear()
            try:
                await step()
                pause_s = every_s
            except Exception:  # whatever a database raises; it is asked again, less often
                logger.exception("the jobs cannot be worked on")
                pause_s = min(2 * pause_s, max(_MAX_PAUSE_S, every_s))
            try:
                async with asyncio.timeout(pause_s):
                    await (self._has_room.wait() if step == self.turn else asyncio.sleep(pause_s))
            except TimeoutError:
                pass
