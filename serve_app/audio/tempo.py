"""Speech, in; the same faster or slower at its own pitch, out."""

import av
import numpy as np

_MOST = 2.0
"""What FFmpeg's `atempo` does well at once; more is done in steps."""


def with_tempo(pcm: bytes, rate_hz: int, tempo: float) -> bytes:
    """PCM16LE mono at `tempo` times its pace."""
    if abs(tempo - 1.0) < 1e-6 or not pcm:
        return pcm
    graph = av.filter.Graph()
    steps = [graph.add_abuffer(sample_rate=rate_hz, format="s16", layout="mono", channels=1)]
    while tempo > _MOST or tempo < 1 / _MOST:
        step = _MOST if tempo > _MOST else 1 / _MOST
        steps.append(graph.add("atempo", str(step)))
        tempo /= step
    steps += [graph.add("atempo", f"{tempo:.6f}"), graph.add("abuffersink")]
    graph.link_nodes(*steps).configure()
    frame = av.AudioFrame.from_ndarray(
        np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate = rate_hz
    graph.push(frame)
    graph.push(None)
    return b"".join(_pulled(graph))


def _pulled(graph: "av.filter.Graph") -> list[bytes]:
    pieces: list[bytes] = []
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return pieces
        assert isinstance(frame, av.AudioFrame)
        pieces.append(frame.to_ndarray().astype("<i2").tobytes())
