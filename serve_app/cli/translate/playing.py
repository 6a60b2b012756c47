"""PCM as it comes, in; sound, one piece behind the other, out; `sounddevice`, an extra, plays."""

import queue
import sys
import threading
from typing import Any, Self

_MAX_WAITING = 256
"""Sentences that are not played yet."""


def silent(duration_s: float, rate_hz: int) -> bytes:
    return bytes(2 * round(duration_s * rate_hz))


class Player:
    """Plays in a thread of its own; a machine that cannot play says so once, and shows texts."""

    def __init__(self, rate_hz: int, *, is_mute: bool) -> None:
        self._rate_hz = rate_hz
        self._is_mute = is_mute
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MAX_WAITING)
        self._playing: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self._is_mute and (stream := self._opened()) is not None:
            self._playing = threading.Thread(target=self._run, args=(stream,), daemon=True)
            self._playing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._playing = None  # a daemon: who leaves does not wait for its last sentence

    def play(self, pcm: bytes) -> None:
        """Behind what waits; what is too much is not played."""
        if self._playing is not None and not self._waiting.full():
            self._waiting.put_nowait(pcm)

    def finish(self) -> None:
        """Return when all is played."""
        if self._playing is not None:
            self._waiting.put(None)
            self._playing.join()

    def _run(self, stream: Any) -> None:
        pcm: bytes | None = b""
        try:
            with stream:
                while (pcm := self._waiting.get()) is not None:
                    stream.write(pcm)
        except Exception as error:  # PortAudio's own: a loudspeaker that was taken away
            print(f"chorus translate: the sound is played no more: {error}", file=sys.stderr)
            while pcm is not None:
                pcm = self._waiting.get()

    def _opened(self) -> Any:
        try:
            import sounddevice

            return sounddevice.RawOutputStream(samplerate=self._rate_hz, channels=1, dtype="int16")
        except Exception as error:  # PortAudio's own among them: without it there is no name for it
            print(f"chorus translate: nothing here plays sound: {error}", file=sys.stderr)
            return None
