"""What the commands' parsers share: how one is made, and how a running server is named."""

import argparse
import os
from typing import TypeAlias

from serve_app.client import Client

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DEFAULT_URL = "http://127.0.0.1:8000"
_MAX_PORT = 65535


def add_command(
    commands: Commands, name: str, *, help: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """A parser whose help ends with examples as they are written."""
    return commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_server(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Which server, and who asks; returns the group, for what else is said of it."""
    group = parser.add_argument_group("the server")
    group.add_argument(
        "--url",
        default=os.environ.get("CHORUS_URL", _DEFAULT_URL),
        help=f"its address (default: $CHORUS_URL, or {_DEFAULT_URL})",
    )
    group.add_argument(
        "--api-key",
        metavar="KEY",
        default=os.environ.get("CHORUS_API_KEY"),
        help="sent as a bearer token (default: $CHORUS_API_KEY, or none)",
    )
    return group


def add_connection(parser: argparse.ArgumentParser) -> None:
    group = add_server(parser)
    group.add_argument(
        "--timeout",
        type=positive_float,
        default=600.0,
        metavar="S",
        help="seconds to wait for one answer (default: 600)",
    )
    group.add_argument(
        "--retries",
        type=natural,
        default=5,
        metavar="N",
        help="how often to ask a full server again, after the pause it names (default: 5)",
    )


def add_option_fields(parser: argparse.ArgumentParser) -> None:
    """What is asked of a model, in the words of `/transcribe`: see `option_fields`."""
    _add_model_options(parser)
    parser.add_argument(
        "--task",
        choices=["transcribe", "translate"],
        help="text in the language that is spoken, or a translation (default: transcribe)",
    )
    parser.add_argument(
        "--target-language",
        metavar="CODE",
        help="of a translation: de, fr-CA, Spanish (default: English)",
    )
    add_channel(parser)
    add_words(parser)
    parser.add_argument(
        "--speakers", action="store_true", help="have the speakers told apart: A, B, …"
    )


def option_fields(args: argparse.Namespace) -> dict[str, object]:
    """The form fields that `add_option_fields` was told."""
    names = ("model", "language", "pnc", "task", "target_language", "channel")
    fields = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    flags = {
        "itn": args.numbers,
        "profanity_filter": args.profanity_filter,
        "diarize": args.speakers,
        "hotwords": args.hotword,
    }
    return fields | {name: value for name, value in flags.items() if value}


def add_channel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channel",
        metavar="N",
        help="mix of all channels, split (each is heard for itself), or a number from 0 "
        "(default: mix)",
    )


def add_words(parser: argparse.ArgumentParser) -> None:
    """Which words are likely, and how they are written."""
    parser.add_argument(
        "--hotword",
        action="append",
        default=[],
        metavar="PHRASE",
        help="a word or phrase that is likely to be said, such as a name; may be repeated; of "
        "Parakeet models",
    )
    parser.add_argument(
        "--numbers",
        action="store_true",
        help="numbers in digits: 21 for twenty-one, where the server knows the language's numbers",
    )
    parser.add_argument(
        "--profanity-filter",
        action="store_true",
        help="mask the words of the server's own list but for their first letter",
    )


def add_recording_options(parser: argparse.ArgumentParser, *, default_concurrency: int) -> None:
    _add_model_options(parser)
    parser.add_argument(
        "--concurrency",
        type=positive_int,
        default=default_concurrency,
        metavar="N",
        help=f"recordings under way at a time (default: {default_concurrency})",
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", help="a name or alias that `chorus models` lists (default: the server's)"
    )
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="what is spoken: en, de-DE, German, auto (default: the model finds out)",
    )
    parser.add_argument(
        "--pnc",
        action=argparse.BooleanOptionalAction,
        help="text with punctuation and capitals, or without; of models that have the choice",
    )


def connect(args: argparse.Namespace) -> Client:
    """The client that the options of `add_connection` describe."""
    return Client(args.url, args.api_key, timeout_s=args.timeout, max_retries=args.retries)


def positive_int(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def port(text: str) -> int:
    if not 1 <= (number := int(text)) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {_MAX_PORT}")
    return number


def natural(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def positive_float(text: str) -> float:
    if not (number := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
