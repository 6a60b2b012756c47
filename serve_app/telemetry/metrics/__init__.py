"""Every metric of the server, declared once. Ray exports them on each node, prefixed with `ray_`,
counters with `_total` behind. `docs/metrics.md` is their table.

Metrics may be created in any process; outside Ray they count into nothing.
"""

from serve_app.telemetry.metrics.declaring import declared
from serve_app.telemetry.metrics.ingress import IngressMetrics, LinkMetrics, SocketMetrics
from serve_app.telemetry.metrics.jobs import JobMetrics
from serve_app.telemetry.metrics.models import (
    RecognizerMetrics,
    StreamingMetrics,
    SynthesizerMetrics,
)
from serve_app.telemetry.metrics.preprocessor import DecoderMetrics, PreprocessorMetrics
from serve_app.telemetry.metrics.process import ProcessMetrics
from serve_app.telemetry.metrics.scaling import ScalingMetrics

__all__ = [
    "DecoderMetrics",
    "IngressMetrics",
    "JobMetrics",
    "LinkMetrics",
    "PreprocessorMetrics",
    "ProcessMetrics",
    "RecognizerMetrics",
    "ScalingMetrics",
    "SocketMetrics",
    "StreamingMetrics",
    "SynthesizerMetrics",
    "declared",
]
