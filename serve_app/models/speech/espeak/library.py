"""espeak-ng's C interface (<espeak-ng/speak_lib.h>): one sentence in one voice, in; samples, out.

Imports nothing but the standard library: it is all that a child process of ours loads.
"""

import ctypes
import os
from dataclasses import dataclass, field
from typing import Any

SYSTEM_LIBRARY = "libespeak-ng.so.1"
"""Of Debian's package `espeak-ng` and of others'."""
INSTALL = "apt-get install espeak-ng, or pip install 'chorus-speech[espeak]'"

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
"""Where its data is missing, and the process with it."""
_RATE = 1
_CHARS_UTF8, _END_PAUSE = 1, 0x1000
"""Without `espeakPHONEMES` and `espeakSSML`: `[[...]]` and `<...>` are text like any other."""
_GO_ON, _STOP = 0, 1
_SEED = 1
"""Of the noise in some voices: of itself espeak-ng takes the time of day."""
_OK = 0

_libc = ctypes.CDLL(None)
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class NotInstalledError(Exception):
    """Neither the system nor Python's packages have espeak-ng."""


class NoSuchVoiceError(Exception):
    """This espeak-ng has no such voice."""


class TooLongError(Exception):
    """The sound is longer than anybody meant it to be."""


@dataclass(slots=True)
class Library:
    """espeak-ng, loaded once per process. Not thread-safe."""

    _espeak: ctypes.CDLL
    _data_path: bytes | None
    rate_hz: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _num_bytes: int = 0
    _max_bytes: int = 0
    _callback: Any = None

    @classmethod
    def load(cls) -> "Library":
        """
        Raises:
            NotInstalledError: there is none.
        """
        library = cls(*_find())
        library._start()
        return library

    @property
    def version(self) -> str:
        return self._info()[0].split(" ")[0]

    @property
    def data_path(self) -> str:
        """The folder of all that it reads."""
        return self._info()[1]

    def _info(self) -> tuple[str, str]:
        path = ctypes.c_char_p()
        self._espeak.espeak_Info.restype = ctypes.c_char_p
        version: bytes = self._espeak.espeak_Info(ctypes.byref(path))
        return version.decode("ascii", "replace"), os.fsdecode(path.value or b"")

    def speak(self, text: str, voice: str, words_per_minute: int, max_samples: int) -> bytes:
        """PCM16LE at `rate_hz`.

        Raises:
            NoSuchVoiceError, TooLongError: see there.
        """
        self._pieces, self._num_bytes, self._max_bytes = [], 0, 2 * max_samples
        self._begin_its_noise()
        if self._espeak.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise NoSuchVoiceError(voice)
        self._espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
        raw = text.encode()
        flags = _CHARS_UTF8 | _END_PAUSE
        self._espeak.espeak_Synth(raw, ctypes.c_size_t(len(raw) + 1), 0, 0, 0, flags, None, None)
        if self._num_bytes > self._max_bytes:
            raise TooLongError
        return b"".join(self._pieces)

    def _begin_its_noise(self) -> None:
        if hasattr(self._espeak, "espeak_ng_SetRandSeed"):  # since 1.52
            self._espeak.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        else:
            _libc.srand(_SEED)

    def _start(self) -> None:
        self.rate_hz = self._espeak.espeak_Initialize(
            _SYNCHRONOUS, 0, self._data_path, _DO_NOT_EXIT
        )
        if self.rate_hz <= 0:
            raise NotInstalledError("espeak-ng does not find its data")
        self._callback = _Callback(self._receive)
        self._espeak.espeak_SetSynthCallback(self._callback)
        self._espeak.espeak_ListVoices(None)  # read once, and not for each sentence

    def _receive(self, samples: Any, num_samples: int, _events: Any) -> int:
        if samples and num_samples > 0:
            self._num_bytes += 2 * num_samples
            if self._num_bytes > self._max_bytes:
                return _STOP
            self._pieces.append(ctypes.string_at(samples, 2 * num_samples))
        return _GO_ON


def _find() -> tuple[ctypes.CDLL, bytes | None]:
    """The system's, else the one in the wheel `espeakng-loader`; and where its data is."""
    try:
        return ctypes.CDLL(SYSTEM_LIBRARY), None
    except OSError:
        pass
    try:
        import espeakng_loader  # type: ignore[import-untyped]  # an extra, without types
    except ImportError as error:
        raise NotInstalledError("espeak-ng is not installed") from error
    path = espeakng_loader.get_library_path()
    return ctypes.CDLL(path), espeakng_loader.get_data_path().encode()
