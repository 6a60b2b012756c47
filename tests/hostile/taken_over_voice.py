"""espeak-ng as a hostile text would have it: it tries what the text orders, and says what came of
it in one sample, by the number of the error; 0 is success."""

import struct
from dataclasses import dataclass

from serve_app.models.speech.espeak.child import main
from serve_app.models.speech.espeak.library import Library
from tests.hostile.trespasses import errno_of


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
        return struct.pack("<h", errno_of(trespass, path))


def load() -> Library:
    return TakenOver(Library.load())  # type: ignore[return-value]  # all that the child asks for


if __name__ == "__main__":
    main(load)
