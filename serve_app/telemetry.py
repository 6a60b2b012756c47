"""Every metric of the server, declared once. Ray exports them on each node, prefixed with `ray_`.

Metrics may be created in any process; outside Ray they count into nothing.
"""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ray.util.metrics import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_AUDIO_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
_STEP_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1.0, 5.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def _histogram(name: str, description: str, boundaries: tuple[float, ...], *tags: str) -> Histogram:
    return Histogram(name, description, boundaries=list(boundaries), tag_keys=tags)


def join_serve_logs() -> None:
    """Let our loggers of this process write where Serve's do, in its format, with request ids."""
    ours, serves = logging.getLogger("serve_app"), logging.getLogger("ray.serve")
    ours.handlers = serves.handlers
    ours.setLevel(serves.level)
    ours.propagate = False


def log_beside_serves(name: str, prefix: str) -> None:
    """Let the logger `name` write its messages as they are, a line each, to a file of their own:
    beside this replica's log, named as it with `prefix`, and of the same size at most.

    Where Serve writes no file, they go where its own messages go.
    """
    logger, serves = logging.getLogger(name), logging.getLogger("ray.serve")
    targets = [getattr(handler, "target", handler) for handler in serves.handlers]
    files = [target for target in targets if isinstance(target, RotatingFileHandler)]
    handlers: list[logging.Handler] = list(serves.handlers)
    if files:
        theirs = Path(files[0].baseFilename)
        beside = theirs.with_name(f"{prefix}_{theirs.stem}.jsonl")
        ours = RotatingFileHandler(
            beside, maxBytes=files[0].maxBytes, backupCount=files[0].backupCount, delay=True
        )
        ours.setFormatter(logging.Formatter("%(message)s"))
        handlers = [ours]
    logger.handlers = handlers
    logger.setLevel(logging.INFO)
    logger.propagate = False


class IngressMetrics:
    """What one ingress replica saw."""

    def __init__(self) -> None:
        self.requests = Counter(
            "chorus_requests",
            "Requests answered, by route and outcome.",
            tag_keys=("route", "code"),
        )
        self.request_s = _histogram(
            "chorus_request_seconds",
            "From the request's head to its answer's end.",
            _SECONDS,
            "route",
        )
        self.in_flight = Gauge("chorus_requests_in_flight", "Requests being answered.")
        self.lost = Counter(
            "chorus_ledger_losses", "Times that the ledger of API keys did not answer."
        )


class SocketMetrics:
    """What the live streams of one ingress replica were: a `Tally` of `ingress.sockets`."""

    def __init__(self) -> None:
        self._open = Gauge("chorus_streams_open", "Live streams.", tag_keys=("route",))
        self._closed = Counter(
            "chorus_streams",
            "Live streams that have ended, by the code they were closed with.",
            tag_keys=("route", "code"),
        )
        self._audio_s = Counter(
            "chorus_stream_audio_seconds",
            "Audio of live streams, in seconds.",
            tag_keys=("route",),
        )
        self._num_open: dict[str, int] = {}

    def opened(self, route: str) -> None:
        self._count(route, 1)

    def ended(self, route: str) -> None:
        self._count(route, -1)

    def closed(self, route: str, code: str) -> None:
        self._closed.inc(tags={"route": route, "code": code})

    def heard(self, route: str, audio_s: float) -> None:
        self._audio_s.inc(audio_s, tags={"route": route})

    def _count(self, route: str, num: int) -> None:
        self._num_open[route] = self._num_open.get(route, 0) + num
        self._open.set(self._num_open[route], tags={"route": route})


class PreprocessorMetrics:
    """What one preprocessor replica did."""

    def __init__(self) -> None:
        self.audio_s = Counter(
            "chorus_audio_seconds", "Audio transcribed, in seconds.", tag_keys=("model",)
        )
        self.decode_s = _histogram(
            "chorus_decode_seconds", "Decoding of one recording, waiting included.", _SECONDS
        )
        self.retries = Counter(
            "chorus_chunk_retries",
            "Chunks sent again after a replica was lost.",
            tag_keys=("model",),
        )


class RecognizerMetrics:
    """What one model replica did."""

    def __init__(self, model: str) -> None:
        tags = {"model": model}
        self.batch_size = _histogram(
            "chorus_batch_size", "Chunks in one run of the model.", _BATCH_SIZES, "model"
        )
        self.batch_audio_s = _histogram(
            "chorus_batch_audio_seconds", "Audio in one run of the model.", _AUDIO_SECONDS, "model"
        )
        self.padded_s = Counter(
            "chorus_batch_padded_seconds",
            "Audio and padding that the model worked on, in seconds.",
            tag_keys=("model",),
        )
        self.model_s = _histogram(
            "chorus_model_seconds", "One run of the model.", _SECONDS, "model"
        )
        self.waiting_audio_s = Gauge(
            "chorus_waiting_audio_seconds",
            "Audio that no batch has taken yet.",
            tag_keys=("model",),
        )
        for metric in (
            self.batch_size,
            self.batch_audio_s,
            self.padded_s,
            self.model_s,
            self.waiting_audio_s,
        ):
            metric.set_default_tags(tags)


class StreamingMetrics:
    """What one replica of a streaming model did."""

    def __init__(self, model: str) -> None:
        self.slots = Gauge(
            "chorus_slots", "Streams that the replica can hold.", tag_keys=("model",)
        )
        self.slots_in_use = Gauge(
            "chorus_slots_in_use", "Streams that the replica holds.", tag_keys=("model",)
        )
        self.refused = Counter(
            "chorus_streams_refused",
            "Times that a stream found no slot free in any replica.",
            tag_keys=("model",),
        )
        self.step_s = _histogram(
            "chorus_step_seconds", "One step of the model.", _STEP_SECONDS, "model"
        )
        self.step_streams = _histogram(
            "chorus_step_streams", "Streams in one step of the model.", _BATCH_SIZES, "model"
        )
        for metric in (
            self.slots,
            self.slots_in_use,
            self.refused,
            self.step_s,
            self.step_streams,
        ):
            metric.set_default_tags({"model": model})


class LinkMetrics:
    """What one ingress saw of the replicas of one streaming model."""

    def __init__(self, model: str) -> None:
        self.moved = Counter(
            "chorus_slots_moved",
            "Slots that a stream lost, or left before its replica went, by reason.",
            tag_keys=("model", "reason"),
        )
        self.moved.set_default_tags({"model": model})
