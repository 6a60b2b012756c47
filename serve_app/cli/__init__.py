"""The `chorus` command. Only what starts, stops, checks or locks a server imports its code."""

import argparse
import os
import sys

import serve_app
from serve_app.cli import (
    drain,
    evaluate,
    jobs,
    keys,
    listen,
    models,
    serving,
    speak,
    transcribe,
    translate,
)
from serve_app.client import ClientError

_EPILOG = """\
examples:
  chorus serve configs/tiny.yaml             start a server on the embedded model
  chorus check configs/one_gpu.yaml          say what is wrong with a configuration
  chorus drain                               empty this node of a cluster before it ends
  chorus keys new alice                      an API key, and its entry for the keys file
  chorus transcribe talk.mp3 --format srt    transcribe a file by a running server
  chorus translate talk.mp3 --to de          the same in another language
  chorus translate --from en --to ru         say it in another language, as you speak
  chorus jobs submit talk.mp3 --wait         the same as a job, which survives anything
  chorus listen                              write down what the microphone hears, as it does
  chorus speak "Good morning." -o out.mp3    have a text spoken
  chorus models                              what that server has
  chorus eval manifest.jsonl                 how well and how fast it transcribes

each command has its own examples: chorus COMMAND --help
"""

_INTERRUPTED = 130
"""What shells report of a command that Ctrl-C ended."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status of the process."""
    parser = argparse.ArgumentParser(
        prog="chorus",
        description="Speech to text that scales: NVIDIA Canary and Parakeet on Ray Serve.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=serve_app.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for room in (
        serving,
        drain,
        keys,
        transcribe,
        translate,
        jobs,
        listen,
        speak,
        models,
        evaluate,
    ):
        room.add(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except ClientError as error:
        print(f"chorus {args.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who reads our output has read enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        # Python would wait for the threads, and they for answers that nobody wants any more.
        sys.stdout.flush()
        os._exit(_INTERRUPTED)
