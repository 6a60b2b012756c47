"""The command line of `loadtest.capacity`."""

import argparse
from pathlib import Path

from serve_app.config import SimulatedConfig

STREAM_S, SPOKEN_S = 24.0, 12.0
"""Of a live stream, at least: of the clock, and of speech at full speed."""
_EXAMPLES = """\
examples:
  python -m loadtest.capacity --config configs/tiny.yaml --report capacity.html
  python -m loadtest.capacity --config configs/one_gpu.yaml --simulate --most-streams 128 \\
      --price-per-hour 3.5 --expect-audio-hours-per-hour 20000 --expect-streams 300
  python -m loadtest.capacity --config configs/one_gpu.yaml --url http://gpu-1:8000 --workers 4

The curve of --simulate is, if not said otherwise, that of a 0.6 B-parameter transducer on an H200.
A run takes at most about a quarter of an hour (--budget-s).
"""


def parser_of(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.capacity",
        description=description,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", type=Path, default=Path("configs/tiny.yaml"), help="(default: %(default)s)")
    add("--url", help="measure a server that runs, as it is; --config says what it serves")
    add("--replicas", type=int, default=1, help="of each model at --url (default: 1)")
    add("--model", help="for recordings, by name or alias (default: the file's)")
    add("--live-model", help="for live streams (default: the file's)")
    add("--only", choices=("uploads", "streams"), help="measure these alone")
    add("--report", type=Path, metavar="FILE.html", help="also writes FILE.json and FILE.md")
    add("--remark", default="", help="for the report: what else the machine did, for example")
    _add_objective(parser)
    _add_simulation(parser)
    _add_effort(parser)
    _add_expected(parser)
    return parser


def _add_objective(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("objective, at full speed").add_argument
    add("--upload-p95-s", type=float, default=2.0, metavar="S",
        help="95 of 100 uploads are answered within (default: %(default)s)")  # fmt: skip
    add("--final-p95-ms", type=float, default=1000.0, metavar="MS",
        help="95 of 100 streams have their final text after their end within "
        "(default: %(default)s)")  # fmt: skip
    add("--live-lag-p95-ms", type=float, default=1000.0, metavar="MS",
        help="their texts are behind the speaker by at most (default: %(default)s)")  # fmt: skip
    add("--max-error-rate", type=float, default=0.15, metavar="RATE",
        help="of words; a simulated engine has to be exact (default: %(default)s)")  # fmt: skip


def _add_simulation(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("without a GPU").add_argument
    curve = SimulatedConfig()
    add("--simulate", action="store_true", help="engines that sleep stand for those of the file")
    add("--fixed-ms", type=float, default=curve.fixed_s * 1e3, metavar="MS",
        help="that a batch, or a step of streams, takes (default: %(default)s)")  # fmt: skip
    add("--per-audio-us", type=float, default=curve.per_audio_s * 1e6, metavar="US",
        help="more for each padded audio second in a batch (default: %(default).0f)")  # fmt: skip
    add("--per-stream-us", type=float, default=curve.per_stream_s * 1e6, metavar="US",
        help="more for each stream in a step (default: %(default).0f)")  # fmt: skip
    add("--dilate", type=float, metavar="X",
        help="slow engine and callers down X times, for uploads (default: 1, with --simulate as "
        "these cores need)")  # fmt: skip
    add("--dilate-streams", type=float, metavar="X", help="the same for live streams; at most 16")


def _add_effort(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("effort").add_argument
    add("--budget-s", type=float, default=720.0, metavar="S",
        help="measure for about so long, the start not counted (default: %(default)s)")  # fmt: skip
    add("--trial-s", type=float, metavar="S",
        help="of the clock, each trial of uploads (default: 12, or as long as twelve full "
        "batches of a simulated engine take)")  # fmt: skip
    add("--clip-s", type=float, default=5.0, metavar="S",
        help="median length of uploads, which are log-normal (default: %(default)s)")  # fmt: skip
    add("--stream-s", type=float, metavar="S",
        help="of the clock, each live stream: a lag that grows needs the time to show it "
        f"(default: {STREAM_S:g}, and {SPOKEN_S:g} s of speech at least, however slowly "
        "it is spoken)")  # fmt: skip
    add("--start-per-s", type=float, metavar="N",
        help="uploads a second to begin with, at full speed (default: half of what a simulated "
        "engine's curve allows, or 3)")  # fmt: skip
    add("--most-streams", type=int, metavar="N",
        help="slots, in place of the file's (with a server of its own only)")  # fmt: skip
    add("--precision", type=float, default=0.1, help="of the knee (default: %(default)s)")
    add("--max-wait-s", type=float, metavar="S",
        help="limits.max_wait_s of a server of its own, of the clock (default: the objective of "
        "uploads; dilated, what a trial has time for)")  # fmt: skip
    add("--overload", type=float, default=3.0, metavar="X",
        help="times the knee, to see what happens; 0: not (default: %(default)s)")  # fmt: skip
    add("--workers", type=int, default=1, help="processes of Locust (default: 1)")


def _add_expected(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is expected").add_argument
    add("--expect-audio-hours-per-hour", type=float, metavar="H", help="in the busiest hour")
    add("--expect-streams", type=int, metavar="N", help="live streams at once")
    add("--price-per-hour", type=float, metavar="P",
        help="of the machine that a replica of each measured model runs on")  # fmt: skip
    add("--currency", default="$")
    add("--use", type=float, default=0.8,
        help="part of the measured capacity to plan with (default: %(default)s)")  # fmt: skip
    add("--peak", type=float, default=2.0,
        help="highest over expected load, for max_replicas (default: %(default)s)")  # fmt: skip
