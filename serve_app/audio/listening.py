"""PCM of one channel in, blocks of it with where somebody may be speaking out: decided in the
decoder's process, for recordings of hours.

What a voice activity model has heard misleads it: behind seconds of music it misses clear speech.
So it hears each half a second from a fresh state, with a lead to settle in; what it says of a place
depends on the audio around that place and on nothing before, so that a recording is cut the same
wherever it began.
"""

from collections.abc import Iterator

import numpy as np

from serve_app.audio.speech import SILENCE_POWER
from serve_app.audio.voice import Detector
from serve_app.audio.waveform import SAMPLE_RATE_HZ, WINDOW, Block, Pcm

THRESHOLD = 0.3
"""Of the probability: what is missed is lost, what is taken for speech costs a model's time. Of 400
recorded digits, clean and in noise, none was missed (with 0.5 one was), and 5 % of chords were
taken for speech (1 %)."""
MARGIN_S = 0.45
"""Around what is taken for speech: of those digits 99 % began 0.29 s before it at the most, and
ended 0.38 s behind it."""
_LEAD_WINDOWS = 4
"""128 ms; Silero needs two to four windows from a fresh state."""
_STRETCH_WINDOWS = 16
_BLOCK_WINDOWS = 2 * _STRETCH_WINDOWS
BLOCK_SAMPLES = _BLOCK_WINDOWS * WINDOW
"""1.024 s; only the last block of a channel may be shorter."""


class Listener:
    """One channel of one recording; the same blocks however its samples come."""

    def __init__(self, detector: Detector, channel: int = 0, unheard_s: float = 0.0) -> None:
        """`detector` may be shared: it is reset before each use. A recording of up to `unheard_s`
        is not listened to, and may be speech everywhere: one chunk holds it."""
        self._channel = channel
        self._detector = detector
        self._unheard = round(unheard_s * SAMPLE_RATE_HZ)
        self._lead: Pcm = np.zeros(0, np.int16)
        self._pending: list[Pcm] = []
        self._num_pending = 0
        self._listens = False

    def push(self, pcm: Pcm) -> Iterator[Block]:
        """The blocks that `pcm` completes."""
        self._pending.append(pcm)
        self._num_pending += len(pcm)
        self._listens = self._listens or self._num_pending > self._unheard
        if not self._listens or self._num_pending < BLOCK_SAMPLES:
            return
        held = np.concatenate(self._pending)
        num_whole = len(held) // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._pending, self._num_pending = [held[num_whole:]], len(held) - num_whole
        for start in range(0, num_whole, BLOCK_SAMPLES):
            yield self._block(held[start : start + BLOCK_SAMPLES])

    def flush(self) -> Iterator[Block]:
        """The rest, if any; nothing follows."""
        held = np.concatenate([np.zeros(0, np.int16), *self._pending])
        self._pending, self._num_pending = [], 0
        for start in range(0, len(held), BLOCK_SAMPLES):
            yield self._block(held[start : start + BLOCK_SAMPLES])

    def _block(self, pcm: Pcm) -> Block:
        if not self._listens:
            return Block(pcm, bytes([1]) * -(-len(pcm) // WINDOW), self._channel)
        num_samples = _STRETCH_WINDOWS * WINDOW
        speech = b"".join(
            self._heard(pcm[start : start + num_samples])
            for start in range(0, len(pcm), num_samples)
        )
        return Block(pcm, speech, self._channel)

    def _heard(self, stretch: Pcm) -> bytes:
        """One byte for each window begun; where all is silent, nobody is asked."""
        padded = np.pad(stretch, (0, -len(stretch) % WINDOW))
        windows = padded.reshape(-1, WINDOW)
        lead, self._lead = self._lead, windows[-_LEAD_WINDOWS:].reshape(-1)
        if windows.astype(np.float32).var(axis=1).max() <= SILENCE_POWER:
            return bytes(len(windows))
        self._detector.reset()
        for window in lead.reshape(-1, WINDOW):
            self._detector(window.astype("<i2", copy=False).tobytes())
        return bytes(
            self._detector(window.astype("<i2", copy=False).tobytes()) >= THRESHOLD
            for window in windows
        )
