"""Loggers of ours in, lines beside Serve's out: with request ids, and with the trace where it is
sampled."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from serve_app.telemetry import tracing


def join_serve_logs() -> None:
    """Let our loggers of this process write where Serve's do, in its format, with request ids."""
    ours, serves = logging.getLogger("serve_app"), logging.getLogger("ray.serve")
    ours.handlers = serves.handlers
    ours.setLevel(serves.level)
    ours.propagate = False


def name_traces() -> None:
    """Have each of these lines name its trace, where tracing is on."""
    if tracing.is_on():
        for handler in logging.getLogger("ray.serve").handlers:
            handler.addFilter(name_trace)


def name_trace(record: logging.LogRecord) -> bool:
    """A filter that drops nothing: it adds `trace_id` and `span_id` of what the line is about."""
    trace = tracing.here()
    if trace is not None and trace.is_sampled:
        record.trace_id, record.span_id = trace.trace_id, trace.span_id
    return True


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
