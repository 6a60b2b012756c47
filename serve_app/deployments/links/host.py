"""All replicas of one streaming model, as the sessions of one ingress see them: see `StreamHost`.

A link goes to each replica as soon as Serve's router knows it, so that who has a free slot is known
before anybody asks.
"""

import asyncio
import contextvars
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Set
from contextlib import suppress
from typing import Any, Protocol

from grpc import RpcError  # type: ignore[import-untyped]  # ships no types
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponseGenerator

from serve_app.config import ModelConfig
from serve_app.deployments.links import running
from serve_app.deployments.links.link import Link, LinkReport, LinkSettings, Replica
from serve_app.deployments.links.slot import LinkSlot
from serve_app.deployments.routing import Handle, backoff_s
from serve_app.deployments.streaming.attachment import Push, Pushed, Told
from serve_app.deployments.streaming.slots import RETRY_AFTER_S
from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.pipelines.streaming.host import SlotLostError

_CALL_LOST = (RayError, RayServeException, RpcError, RuntimeError)
"""All that a call to a replica may fail with when that is gone; Ray has no one name for it."""
_LOOK_AGAIN_S = 1.0


class ServeReplica:
    """See `Replica`."""

    def __init__(self, handle: Handle, name: str) -> None:
        self._handle = handle.options(_by_reference=False, session_id=name)

    async def attach(self, link: str) -> AsyncGenerator[Told, None]:
        response: DeploymentResponseGenerator[Told]
        response = self._handle.options(stream=True).attach.remote(link)  # type: ignore[assignment]  # of a streaming handle
        try:
            async for told in response:
                yield told
        except _CALL_LOST as error:
            raise SlotLostError(str(error)) from error
        finally:
            response.cancel()  # type: ignore[no-untyped-call]  # Ray's

    async def push(self, link: str, push: Push) -> Pushed:
        try:
            pushed: Pushed = await self._handle.push.remote(link, push)
        except _CALL_LOST as error:
            raise SlotLostError(str(error)) from error
        return pushed


class Deployment(Protocol):
    """All replicas of a streaming model, as `running` names them."""

    def replica(self, name: str) -> Replica: ...

    async def info(self) -> ModelInfo:
        """What any replica answers; brings one up where there is none. Raises `SlotLostError`."""
        ...


class ServeDeployment:
    """See `Deployment`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def replica(self, name: str) -> ServeReplica:
        return ServeReplica(self._handle, name)

    async def info(self) -> ModelInfo:
        try:
            info: ModelInfo = await self._handle.options(_by_reference=False).info.remote()
        except _CALL_LOST as error:
            raise SlotLostError(str(error)) from error
        return info


class ServeStreamHost:
    """Begins with the first use; `close` ends all streams."""

    def __init__(
        self,
        model: ModelConfig,
        deployment: Deployment,
        *,
        tick_s: float,
        report: Callable[[LinkReport], None] = lambda _: None,
        lagged: Callable[[float], None] = lambda lag_s: None,
    ) -> None:
        assert model.streaming is not None, "a model of live streams"
        self._model = model.name
        self._deployment = deployment
        self._cold_start_s = model.streaming.cold_start_s
        self._settings = LinkSettings(
            tick_s, model.streaming.stall_s, report, self._note_change, lagged
        )
        self._running: frozenset[str] = frozenset()
        self._links: dict[str, Link] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self.info: ModelInfo | None = None
        """What the model can do; None until it has been up."""
        self._has_begun = False

    async def open(self, options: StreamOptions, *, is_demand: bool = True) -> LinkSlot:
        """See `StreamHost.open`."""
        self.begin()
        try:
            async with asyncio.timeout(self._cold_start_s):
                while True:
                    self._changed.clear()
                    slot = await self._open_somewhere(options, is_demand=is_demand)
                    if slot is not None:
                        return slot
                    if not self._running:
                        self._wake()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            await self._changed.wait()
        except TimeoutError as error:
            raise ModelUnavailableError(self._model, RETRY_AFTER_S) from error

    def begin(self) -> None:
        """Look for replicas; have one come up where there is none, so that the model is known."""
        if not self._has_begun:
            self._has_begun = True
            running.follow(self._model, self._update)
            self._wake()

    async def close(self) -> None:
        running.unfollow(self._model, self._update)
        self._running = frozenset()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open_somewhere(self, options: StreamOptions, *, is_demand: bool) -> LinkSlot | None:
        """A slot of the emptiest replica that has one; None where no replica could be asked.

        Raises:
            AtCapacityError: all that could be asked are full.
        """
        asked: set[Link] = set()
        is_full = False
        while (link := self._best(asked)) is not None:
            asked.add(link)
            is_last = self._best(asked) is None and not self._meets_others
            try:
                return await link.open(options, is_demand=is_demand and is_last)
            except AtCapacityError:
                is_full = True
            except SlotLostError:
                continue
        if is_full and not self._meets_others:
            raise AtCapacityError(f"all slots of {self._model} are taken", RETRY_AFTER_S)
        return None

    def _best(self, asked: Set[Link]) -> Link | None:
        """The link to ask next: the emptiest that is known to have a slot. Where none is, one is
        asked all the same: demand is counted there."""
        links = [each for each in self._links.values() if each.takes_streams and each not in asked]
        links.sort(key=lambda link: (link.is_late, -link.num_free, random.random()))
        free = [link for link in links if link.num_free > 0]
        return next(iter(free or ([] if asked else links)), None)

    @property
    def _meets_others(self) -> bool:
        """Whether there are replicas of which it is not known yet what they have free."""
        return any(
            name not in self._links or self._links[name].is_meeting for name in self._running
        )

    def _update(self, replicas: frozenset[str]) -> None:
        self._running = replicas
        for name, link in self._links.items():
            if name not in replicas:
                link.leave()
        for name in replicas:
            if name not in self._tasks:
                self._start(name, self._keep_link(name))
        self._note_change()

    async def _keep_link(self, name: str) -> None:
        """Have a link to one replica, for as long as it runs."""
        running.hold(self._model, name)
        replica = self._deployment.replica(name)
        pauses = backoff_s()
        try:
            while name in self._running:
                link = self._links[name] = Link(replica, self._settings)
                await link.run()
                await asyncio.sleep(next(pauses))
        finally:
            running.let_go(self._model, name)
            self._links.pop(name, None)

    def _wake(self) -> None:
        """Ask for any replica at all: Serve scales up from zero for a call that waits."""
        if "" not in self._tasks:
            self._start("", self._ask_info())

    async def _ask_info(self) -> None:
        with suppress(TimeoutError, SlotLostError):
            async with asyncio.timeout(self._cold_start_s):
                self.info = await self._deployment.info()

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Outside of the request that was the first to want it: Ray would cancel it with that."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    def _note_change(self) -> None:
        self.info = next((link.info for link in self._links.values() if link.info), self.info)
        self._changed.set()
