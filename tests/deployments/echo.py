"""A streaming model that says one word for each frame, and does what a test tells it to."""

import threading
import zlib
from collections.abc import Sequence

from serve_app.models.protocols import ModelInfo, StreamFrame, StreamOptions, StreamText

STEP_SAMPLES = 1280
STEP_BYTES = 2 * STEP_SAMPLES
POISON = b"\xff\x7f" * STEP_SAMPLES
"""A frame that no step survives."""


def frame_pcm(number: int) -> bytes:
    """A frame that says `number`, after a fashion."""
    return number.to_bytes(4, "little") * (STEP_BYTES // 4)


def word(pcm: bytes) -> str:
    return f"{zlib.crc32(pcm):08x}"


class EchoRecognizer:
    """The word of a frame is a function of its bytes; a segment ends where it is asked to."""

    def __init__(self, num_slots: int = 4) -> None:
        self.info = ModelInfo("echo", "simulated", ("en",), simulated=True)
        self.num_slots = num_slots
        self.step_samples = STEP_SAMPLES
        self.may_step = threading.Event()
        self.may_step.set()
        self.in_step = threading.Event()
        self.is_broken = False
        self.steps: list[tuple[int, ...]] = []
        """The slots of each step."""
        self.words: dict[int, list[str]] = {}
        """Of each occupied slot, since its segment began."""

    def occupy(self, slot: int, options: StreamOptions) -> None:
        assert slot not in self.words, "a slot has one stream"
        if options.language == "xx":
            raise ValueError("no such language")
        self.words[slot] = []

    def step(self, frames: Sequence[StreamFrame]) -> list[StreamText]:
        self.in_step.set()
        assert self.may_step.wait(30), "nobody let the step go on"
        self.steps.append(tuple(frame.slot for frame in frames))
        if self.is_broken or any(frame.pcm == POISON for frame in frames):
            raise RuntimeError("the model fails")
        return [self._text(frame) for frame in frames]

    def release(self, slot: int) -> None:
        self.words.pop(slot, None)

    def _text(self, frame: StreamFrame) -> StreamText:
        words = self.words[frame.slot]
        words.append(word(frame.pcm))
        text = StreamText(
            " ".join(words),
            ended="asked" if frame.is_last else None,
            num_samples=(len(words) - 1) * STEP_SAMPLES + len(frame.pcm) // 2,
        )
        if frame.is_last:
            words.clear()
        return text
