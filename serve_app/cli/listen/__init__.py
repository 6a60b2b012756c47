"""`chorus listen`: a microphone or a recording in, its words out while they are spoken."""

import argparse
from pathlib import Path

from serve_app.cli.parsers import (
    Commands,
    add_command,
    add_server,
    positive_float,
    positive_int,
)

_EXAMPLES = """\
  chorus listen                                 the microphone, until Ctrl-C
  chorus listen --list-devices                  which microphones there are
  chorus listen --device USB --language de      one of them, in German
  chorus listen talk.mp3                        a recording, as if it were spoken now
  chorus listen talk.mp3 --speed 4              four times as fast; `inf`: as fast as it is taken
  chorus listen talk.mp3 --clients 16           sixteen at a time, and how long their texts took
  chorus listen > notes.txt                     lines with [PARTIAL] and [FINAL] in front
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "listen",
        help="write down live what a microphone hears, or a recording says",
        description="Stream the microphone, or FILE at the pace it was spoken in, to a running\n"
        "server, and show the words as they are understood: on a terminal one line that goes on\n"
        "changing (what may still change is faint), elsewhere a line for each change, [PARTIAL]\n"
        "or [FINAL]. Ctrl-C ends the audio and waits for the last words; again, for nothing.\n"
        "Afterwards stderr says how long the text took: since its audio was handed over, and\n"
        "from the end of the audio to the final text. A connection that breaks is made again,\n"
        "and no word is lost by it. The microphone needs: pip install 'chorus-speech[mic]'.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a recording: WAV, FLAC, MP3, OGG, M4A, WebM, … (default: the microphone)",
    )
    parser.add_argument(
        "--model", help="a live one that `chorus models` lists (default: the server's)"
    )
    parser.add_argument("--language", metavar="CODE", help="what is spoken: en, de-DE, German")
    parser.add_argument(
        "--device", metavar="D", help="the microphone: its number, or a part of its name"
    )
    parser.add_argument("--list-devices", action="store_true", help="list microphones, and leave")
    parser.add_argument(
        "--speed",
        type=positive_float,
        default=1.0,
        metavar="X",
        help="how much faster than it was spoken to stream FILE (default: 1)",
    )
    parser.add_argument(
        "--clients",
        type=positive_int,
        default=1,
        metavar="N",
        help="stream FILE N times at once, and sum up (default: 1)",
    )
    parser.add_argument("--quiet", action="store_true", help="show the text, and no times")
    add_server(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from serve_app.cli.listen.running import run

    return run(args)
