"""espeak-ng as a hostile text would have it: it tries what the text orders, and says what came of
it in one sample, by the number of the error; 0 is success."""

import os
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from serve_app.models.speech.espeak.child import main
from serve_app.models.speech.espeak.library import Library
from serve_app.models.speech.espeak.messages import PCM
from tests.hostile.trespasses import errno_of

_HEADER = struct.Struct("!cQ")
OWN, FOREIGN = b"own.", b"not its own."
"""What it says to who asked, and what would be another's answer."""


def _answer_twice() -> bytes:
    """One for who asked, one too many for whoever asks next; and its own behind them."""
    _on_all_descriptors([_HEADER.pack(PCM, len(OWN)) + OWN])
    _on_all_descriptors([_HEADER.pack(PCM, len(FOREIGN)) + FOREIGN] * 3)
    return FOREIGN


def _stay() -> bytes:
    """It has answered, and would read what others want to have said."""
    _on_all_descriptors([_HEADER.pack(PCM, len(OWN)) + OWN])
    while True:
        for descriptor in range(3, 64):
            with suppress(OSError):
                if os.read(descriptor, 1 << 16):
                    _on_all_descriptors([_HEADER.pack(PCM, len(FOREIGN)) + FOREIGN])
        time.sleep(0.01)


def _trickle() -> bytes:
    """A byte now and then, each well within the time for one."""
    _on_all_descriptors([_HEADER.pack(PCM, 1 << 20)])
    for _ in range(100):
        _on_all_descriptors([b"."])
        time.sleep(0.05)
    return OWN


def _on_all_descriptors(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        for descriptor in range(3, 64):
            with suppress(OSError):
                os.write(descriptor, piece)


WRONGS: Mapping[str, Callable[[], bytes]] = {
    "answer twice": _answer_twice,
    "stay": _stay,
    "trickle": _trickle,
}
"""What it may do with the one line that it has."""


@dataclass
class TakenOver:
    """See `Library`, of which it has the folder of data only."""

    library: Library
    version: str = "taken over"
    rate_hz: int = 22_050

    @property
    def data_path(self) -> str:
        return self.library.data_path

    def speak(self, text: str, voice: str, words_per_minute: int, max_samples: int) -> bytes:
        trespass, _, path = text.partition("@")
        if trespass in WRONGS:
            return WRONGS[trespass]()
        return struct.pack("<h", errno_of(trespass, path))


def load() -> Library:
    return TakenOver(Library.load())  # type: ignore[return-value]  # all that the child asks for


if __name__ == "__main__":
    main(load)
