"""A host whose replicas a test can kill, drain, stall and fill. Its texts depend on frames alone.

Each step that is not all zeros gives a word, made of all audio of its segment so far: so a frame
that is lost, doubled or out of place changes every word behind it. The newest word is tentative,
and written in another way until the next frame confirms it. A segment that ends by itself is cut
somewhere in the zeros that it heard last.
"""

import asyncio
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.models.protocols import StreamOptions, StreamText
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from serve_app.transcript.types import Word


class FakeModel:
    """One segment after another, as one slot of a replica hears them."""

    _audio: int
    _num_samples: int
    _num_steps: int
    _blank_steps: int
    _words: list[Word]

    def __init__(
        self,
        options: StreamOptions,
        step_samples: int,
        max_segment_steps: int,
        spelling: str = "",
    ) -> None:
        self._options = options
        self._spelling = spelling
        self._step_samples = step_samples
        self._max_segment_steps = max_segment_steps
        self._begin(0)

    def anew(self, options: StreamOptions) -> "FakeModel":
        """As a stream finds it that comes with other options."""
        steps = self._step_samples, self._max_segment_steps
        return FakeModel(options, *steps, self._spelling)

    def step(self, frame: SlotFrame) -> StreamText:
        """The text behind `frame`."""
        num_samples = len(frame.pcm) // BYTES_PER_SAMPLE
        if num_samples != self._step_samples and not (
            frame.is_last and num_samples < self._step_samples
        ):
            raise ValueError(f"a frame of {num_samples} samples in steps of {self._step_samples}")
        start_s = self._num_samples / SAMPLE_RATE_HZ
        self._num_samples += num_samples
        self._num_steps += 1
        end_s = self._num_samples / SAMPLE_RATE_HZ
        self._audio = zlib.crc32(frame.pcm, self._audio)
        if frame.pcm.strip(b"\0"):
            language = self._options.target_language or self._options.language or ""
            self._words.append(Word(f"{language}{self._audio:08x}", start_s, end_s))
            self._blank_steps = 0
        else:
            self._blank_steps += 1
        return self._text(frame)

    def _text(self, frame: SlotFrame) -> StreamText:
        words = tuple(self._words)
        texts = [word.text for word in words]
        language = self._options.language
        ended: Literal["asked", "blank", "length"] | None = (
            "asked" if frame.is_last else self._ended_by_itself()
        )
        if ended is not None:
            num_carried = 0 if ended == "asked" else self._num_carried
            num_samples = self._num_samples - num_carried * self._step_samples
            text = " ".join(texts)
            self._begin(num_carried)
            return StreamText(text, "", words, ended, num_samples, num_carried, language, language)
        tentative = texts[-1].swapcase() if texts else ""
        confirmed = " ".join(texts[:-1])
        return StreamText(
            confirmed,
            f" {tentative}" if confirmed else tentative,
            num_samples=self._num_samples,
            language=language,
            spoken_language=language,
        )

    def _ended_by_itself(self) -> Literal["blank", "length"] | None:
        blank_s = self._options.blank_s
        heard_blank_s = self._blank_steps * self._step_samples / SAMPLE_RATE_HZ
        if blank_s is not None and self._words and heard_blank_s >= blank_s:
            return "blank"
        return "length" if self._num_steps >= self._max_segment_steps else None

    @property
    def _num_carried(self) -> int:
        """Any number of the steps of zeros that were heard last, as the audio has it; few enough
        for another end."""
        most = min(self._blank_steps, self._max_segment_steps // 2)
        return self._audio % (most + 1)

    def _begin(self, num_carried: int) -> None:
        self._audio = zlib.crc32(self._spelling.encode())
        self._num_samples = self._num_steps = self._blank_steps = 0
        self._words = []
        for _ in range(num_carried):
            self.step(SlotFrame(bytes(self._step_samples * BYTES_PER_SAMPLE)))


@dataclass(eq=False)
class FakeReplica:
    """What a test does to a replica. It takes steps as its slots are read, never ahead."""

    num_slots: int
    is_leaving: bool = False
    is_alive: bool = True
    slots: set["FakeSlot"] = field(default_factory=set)
    deadly_pcm: bytes | None = None
    """A frame that holds these bytes kills it."""
    steps_to_live: int | None = None
    """It dies when so many more texts were asked of it."""
    num_steps: int = 0
    emptied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a slot is closed and none is left."""
    in_exchange: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a stream has begun to change its options."""
    _runs: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._runs.set()

    @property
    def has_room(self) -> bool:
        """Whether another stream may come."""
        is_well = self.is_alive and self._runs.is_set() and not self.is_leaving
        return is_well and len(self.slots) < self.num_slots

    def kill(self) -> None:
        """Be gone, with all slots."""
        self.is_alive = False
        for slot in self.slots:
            slot.changed.set()
        self._runs.set()

    def drain(self) -> None:
        """Take no more streams; those that are there should go."""
        self.is_leaving = True

    def stall(self) -> None:
        """Give no text until `resume`."""
        self._runs.clear()

    def resume(self) -> None:
        """Go on."""
        self._runs.set()

    async def may_exchange(self) -> None:
        """Let others act in the middle of it."""
        self.in_exchange.set()
        await asyncio.sleep(0)
        await self._runs.wait()

    async def may_step(self, frame: SlotFrame, stall_s: float) -> None:
        """Wait until it runs; it may die over `frame`."""
        try:
            async with asyncio.timeout(stall_s):
                await self._runs.wait()
        except TimeoutError:
            raise SlotLostError("the replica stalls") from None
        self.num_steps += 1
        if self.steps_to_live is not None:
            self.steps_to_live -= 1
            if self.steps_to_live < 0:
                self.kill()
        if self.deadly_pcm is not None and self.deadly_pcm in frame.pcm:
            self.kill()


class FakeSlot:
    """A slot of a `FakeReplica`."""

    def __init__(
        self, replica: FakeReplica, model: FakeModel, step_samples: int, stall_s: float
    ) -> None:
        self.step_samples = step_samples
        self.changed = asyncio.Event()
        self._replica = replica
        self._model = model
        self._stall_s = stall_s
        self._frames: deque[SlotFrame] = deque()
        replica.slots.add(self)

    @property
    def num_waiting(self) -> int:
        """Frames that came and have no text."""
        return len(self._frames)

    @property
    def is_leaving(self) -> bool:
        return self._replica.is_leaving

    def send(self, frame: SlotFrame) -> None:
        self._check()
        self._frames.append(frame)
        self.changed.set()

    async def receive(self) -> StreamText:
        self._check()
        while not self._frames:
            self.changed.clear()
            await self.changed.wait()
            self._check()
        await self._replica.may_step(self._frames[0], self._stall_s)
        self._check()
        return self._model.step(self._frames.popleft())

    async def exchange(self, options: StreamOptions) -> "FakeSlot":
        self._check()
        self._replica.slots.discard(self)
        model = self._model.anew(options)
        slot = FakeSlot(self._replica, model, self.step_samples, self._stall_s)
        try:
            await self._replica.may_exchange()
            slot._check()
        except BaseException:
            await slot.close()
            raise
        return slot

    async def close(self) -> None:
        self._replica.slots.discard(self)
        if not self._replica.slots:
            self._replica.emptied.set()

    def _check(self) -> None:
        if not self._replica.is_alive:
            raise SlotLostError("the replica was killed")


class FakeHost:
    """All replicas of a fake model."""

    def __init__(
        self,
        num_replicas: int = 1,
        *,
        num_slots: int = 4,
        step_samples: int = 1280,
        max_segment_steps: int = 50,
        stall_s: float = 30.0,
    ) -> None:
        self._num_slots = num_slots
        self._step_samples = step_samples
        self._max_segment_steps = max_segment_steps
        self._stall_s = stall_s
        self.replicas: list[FakeReplica] = []
        self.cold_start_s = 0.05
        self.num_opened = 0
        self.spelling = ""
        """Another one makes the streams that come from now on say other words."""
        self._grown = asyncio.Event()
        for _ in range(num_replicas):
            self.start()

    def start(self) -> FakeReplica:
        """One replica more."""
        replica = FakeReplica(self._num_slots)
        self.replicas.append(replica)
        self._grown.set()
        return replica

    @property
    def num_slots_taken(self) -> int:
        """Of replicas that live."""
        return sum(len(replica.slots) for replica in self.replicas if replica.is_alive)

    async def open(self, options: StreamOptions, *, is_demand: bool = True) -> FakeSlot:
        """Take a slot of the replica that has most of them free."""
        if not any(replica.is_alive for replica in self.replicas):
            await self._wait_for_a_replica()
        candidates = [replica for replica in self.replicas if replica.has_room]
        if not candidates:
            raise AtCapacityError("all slots of the fake model", 1.0)
        replica = min(candidates, key=lambda replica: len(replica.slots))
        self.num_opened += 1
        model = FakeModel(options, self._step_samples, self._max_segment_steps, self.spelling)
        return FakeSlot(replica, model, self._step_samples, self._stall_s)

    async def _wait_for_a_replica(self) -> None:
        self._grown.clear()
        try:
            async with asyncio.timeout(self.cold_start_s):
                await self._grown.wait()
        except TimeoutError:
            raise ModelUnavailableError("the fake model", 1.0) from None
