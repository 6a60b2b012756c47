"""Replicas in the same process, as a session sees them: for tests, and for who needs no cluster."""

import asyncio
from collections.abc import Sequence

from serve_app.deployments.streaming.slots import RETRY_AFTER_S, Slots
from serve_app.deployments.streaming.step import Place
from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.models.protocols import ModelBrokenError, StreamOptions, StreamText
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError


class LocalSlot:
    """See `Slot`."""

    def __init__(self, replicas: Sequence[Slots], slots: Slots, options: StreamOptions) -> None:
        """`replicas`: those that stay, now and later."""
        self.step_samples = slots.step_samples
        self._replicas = replicas
        self._slots = slots
        self._told: asyncio.Queue[StreamText | SlotLostError] = asyncio.Queue()
        self._place: Place = slots.occupy(options, self._told.put_nowait)
        self._lost: SlotLostError | None = None

    @property
    def is_leaving(self) -> bool:
        return self._slots not in self._replicas

    def send(self, frame: SlotFrame) -> None:
        if self._lost is not None:
            raise self._lost
        self._slots.push(self._place, frame)

    async def receive(self) -> StreamText:
        if self._lost is not None:
            raise self._lost
        told = await self._told.get()
        if isinstance(told, SlotLostError):
            self._lost = told
            self._told.put_nowait(told)  # for whoever else waits
            raise told
        return told

    async def exchange(self, options: StreamOptions) -> "LocalSlot":
        await self.close()
        try:
            return LocalSlot(self._replicas, self._slots, options)
        except (AtCapacityError, ModelBrokenError) as error:
            raise SlotLostError(str(error)) from error

    async def close(self) -> None:
        self._slots.release(self._place)
        if self._lost is None:
            self._lost = SlotLostError("it was given up")
            self._told.put_nowait(self._lost)


class LocalHost:
    """See `StreamHost`. Streams begin in the emptiest of the replicas."""

    def __init__(self, replicas: Sequence[Slots]) -> None:
        self._replicas = list(replicas)

    async def open(self, options: StreamOptions, *, is_demand: bool = True) -> LocalSlot:
        if not self._replicas:
            raise ModelUnavailableError("the local model", RETRY_AFTER_S)
        for slots in sorted(self._replicas, key=lambda each: -each.num_free):
            try:
                return LocalSlot(self._replicas, slots, options)
            except (AtCapacityError, ModelBrokenError):
                continue
        raise AtCapacityError("all slots are taken", RETRY_AFTER_S)

    def drain(self, slots: Slots) -> None:
        """Take nothing new in a replica, and ask its streams to leave."""
        if slots in self._replicas:
            self._replicas.remove(slots)

    async def kill(self, slots: Slots) -> None:
        """Lose a replica, and all its streams, at once."""
        self.drain(slots)
        await slots.close()

    async def close(self) -> None:
        for slots in self._replicas:
            await slots.close()
