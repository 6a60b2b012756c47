"""How a process gives memory back that it held for a moment."""

import ctypes
import time

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 1 << 20
_MAX_ARENAS = 2


def return_large_blocks() -> None:
    """Have glibc map blocks from 1 MiB on one by one, so that freeing one returns it.

    By itself glibc raises that limit to the largest block freed so far, up to 32 MiB: the uploads
    of later minutes then lie on the heap between smaller things and pin it at its highest mark, in
    an arena for every thread (mallopt(3)). Where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_ARENA_MAX, _MAX_ARENAS)


_TRIM_EVERY_S = 10.0


class Trimmer:
    """Gives back what lies free between other things, every ten seconds at most.

    A model that runs on a CPU asks for blocks of ever new sizes, and glibc keeps the holes between
    them: 807 to 1,440 MiB in 150 random batches, where it was 819 to 803 with this, at about 1 % of
    the time (malloc_trim(3)). Mapping such blocks one by one took twice the time of the model.
    """

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._trimmed_at = time.monotonic()

    def __call__(self) -> None:
        """To be called when a batch is done, in its thread: it takes some 30 ms."""
        if self._trim is not None and time.monotonic() - self._trimmed_at >= _TRIM_EVERY_S:
            self._trim(0)
            self._trimmed_at = time.monotonic()
