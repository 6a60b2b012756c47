"""How a process that holds uploads for a moment gives their memory back."""

import ctypes

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
