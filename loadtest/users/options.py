"""Locust's command line, and what the users want of it."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment

from loadtest.users.shapes import SHAPES
from loadtest.users.speech import Speech, Wanted, load, speech_for

_found: dict[str, Speech] = {}


@events.init_command_line_parser.add_listener
def add_options(parser: Any, **_: Any) -> None:
    add = parser.add_argument
    add("--shape", choices=sorted(SHAPES), default="steady",
        help="of the load over --run-time: steady; step (five of them up to --users); ramp; "
        "burst (five, from a fifth of --users to all of them); soak (70%% of --users)")  # fmt: skip
    add("--model", default="", help="for recordings, by name or alias (default: the server's)")
    add("--live-model", default="", help="for live streams (default: the server's)")
    add("--pace", type=float, default=1.0,
        help="audio seconds per second that live users speak (default: 1.0)")  # fmt: skip
    add("--max-error-rate", type=float, default=0.5, metavar="RATE",
        help="an answer with more wrong words is a failed request (default: 0.5)")  # fmt: skip
    add("--max-run-error-rate", type=float, default=0.15, metavar="RATE",
        help="with more wrong over the whole run Locust ends in 1 (default: 0.15)")  # fmt: skip
    add("--speech", default="", metavar="FOLDER", include_in_web_ui=False,
        help="by `python -m loadtest.users.speech` (default: made, kept in .cache/)")  # fmt: skip


def options_of(environment: Environment) -> Namespace:
    assert environment.parsed_options is not None
    return environment.parsed_options


def speech_of(environment: Environment) -> Speech:
    """Read once in each process."""
    folder = str(options_of(environment).speech)
    if folder not in _found:
        _found[folder] = load(Path(folder)) if folder else speech_for(Wanted())
    return _found[folder]
