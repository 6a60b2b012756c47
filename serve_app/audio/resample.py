"""Speech at a voice's own rate, in; the same at another, out."""

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no stubs


def resampled(pcm: bytes, rate_hz: int, wanted_hz: int) -> bytes:
    """PCM16LE mono. What would be louder than can be said is cut off, not turned over."""
    if rate_hz == wanted_hz or not pcm:
        return pcm
    samples = np.frombuffer(pcm, "<i2")
    wanted = soxr.resample(samples, rate_hz, wanted_hz, quality="HQ")
    return bytes(wanted.astype("<i2").tobytes())
