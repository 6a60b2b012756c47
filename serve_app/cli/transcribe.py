"""`chorus transcribe`, and `translate` of files: their texts, by a running server."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.cli.parsers import (
    Commands,
    add_channel,
    add_command,
    add_connection,
    add_recording_options,
    add_words,
    connect,
)
from serve_app.cli.progress import Progress, in_parallel
from serve_app.cli.tables import print_table
from serve_app.client import Client, ClientError, Format, Transcription, UnreachableError

_SUFFIXES: dict[Format, str] = {
    "text": ".txt",
    "json": ".json",
    "verbose_json": ".json",
    "diarized_json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
}
_STAGES = ("decode", "queue", "model")

_EXAMPLES = """\
  chorus transcribe talk.mp3
  chorus transcribe talk.mp3 --format srt > talk.srt
  chorus transcribe *.flac --format vtt --output subtitles/ --concurrency 16
  chorus transcribe call.wav --model parakeet --language en --timings
  chorus transcribe call.wav --hotword "Ada Lovelace" --hotword Chorus --numbers
  chorus transcribe rede.wav --task translate --target-language en
  chorus transcribe meeting.wav --speakers
  chorus transcribe *.wav --format json | jq -r '.file + ": " + .text'
"""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One file, with its transcript or with what went wrong."""

    path: Path
    answer: Transcription | None = None
    problem: str = ""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "transcribe",
        help="transcribe files by a running server",
        description="Send each FILE to a running server, several at a time, and write the\n"
        "transcripts to stdout in the order of the files. WAV, FLAC, MP3, OGG, Opus, M4A,\n"
        "WebM, AMR and G.711 are told apart by their content. A file that fails is reported\n"
        "on stderr and the others go on; the exit status is then 1.",
        examples=_EXAMPLES,
    )
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
    add_files(parser)
    parser.set_defaults(run=run)


def add_files(parser: argparse.ArgumentParser, *, nargs: str = "+") -> None:
    """Which files, and how their texts are written."""
    parser.add_argument("files", type=Path, nargs=nargs, metavar="FILE", help="a recording")
    add_recording_options(parser, default_concurrency=4)
    add_channel(parser)
    add_words(parser)
    parser.add_argument(
        "--format",
        choices=list(_SUFFIXES),
        default="text",
        help="text (each headed by its file's name where there are several), json (one line a "
        "file), verbose_json (with times), diarized_json (with times and speakers), or the "
        "subtitles srt and vtt (default: text)",
    )
    parser.add_argument(
        "--speakers",
        action="store_true",
        help="have the speakers told apart: in text a line for each turn, headed by its speaker, "
        "A, B, …; in JSON the format diarized_json",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write each transcript to DIR, under its file's name with the format's suffix",
    )
    parser.add_argument(
        "--timings",
        action="store_true",
        help="say on stderr where the time of each file went; the server's stages are decode, "
        "queue (waiting for the model) and model (the whole time of the batch it was in)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """The exit status: 1 where a file failed, 2 where the arguments do not go together."""
    if args.speakers and (problem := _add_speakers(args)):
        print(f"chorus {args.command}: {problem}", file=sys.stderr)
        return 2
    if args.output is not None and (problem := _prepare_output(args)):
        print(f"chorus {args.command}: {problem}", file=sys.stderr)
        return 2
    outcomes = []
    with connect(args) as client, Progress(len(args.files), quiet=args.quiet) as progress:

        def work(path: Path) -> _Outcome:
            return _transcribe(client, path, args)

        for outcome in in_parallel(
            work, args.files, concurrency=args.concurrency, progress=progress
        ):
            outcomes.append(outcome)
            if outcome.answer is None:
                progress.complaint(f"chorus {args.command}: {outcome.path}: {outcome.problem}")
            elif args.output is None:
                progress.result(_shown(outcome.answer, outcome.path, args))
            else:
                target = _target(args.output, outcome.path, args.format)
                target.write_text(_document(outcome.answer, args.format))
    _say_if_simulated(outcomes)
    if args.timings:
        print_table(_timings(outcomes), stderr=True)
    return int(any(outcome.answer is None for outcome in outcomes))


def _transcribe(client: Client, path: Path, args: argparse.Namespace) -> _Outcome:
    try:
        answer = client.transcribe(
            path,
            model=args.model,
            language=args.language,
            task=args.task,
            target_language=args.target_language,
            pnc=args.pnc,
            hotwords=args.hotword,
            itn=args.numbers,
            profanity_filter=args.profanity_filter,
            channel=args.channel,
            diarize=args.speakers,
            response_format=_asked_format(args),
        )
    except UnreachableError:
        raise
    except ClientError as error:
        return _Outcome(path, problem=str(error))
    except OSError as error:
        return _Outcome(path, problem=error.strerror or str(error))
    return _Outcome(path, answer)


def _asked_format(args: argparse.Namespace) -> Format | None:
    """The text alone would not tell how long the recording is, nor who speaks; but of channels it
    has a line for each turn."""
    if args.format == "text" and args.channel != "split":
        return None
    asked: Format = args.format
    return asked


def _shown(answer: Transcription, path: Path, args: argparse.Namespace) -> str:
    """What stdout gets of one file."""
    several = len(args.files) > 1
    if args.format == "text":
        head = f"{path}:" if several else ""
        gap = "" if not several else "\n" if args.speakers else " "
        return head + gap + _document(answer, args.format)
    if args.format in ("json", "verbose_json", "diarized_json") and several:
        return json.dumps({"file": str(path), **answer.fields}, ensure_ascii=False) + "\n"
    return _document(answer, args.format)


def _document(answer: Transcription, response_format: Format) -> str:
    """One transcript by itself."""
    body = answer.body
    if response_format == "text":
        is_of_speakers = answer.format == "diarized_json"
        body = _turns(answer.fields.get("segments", ())) if is_of_speakers else answer.text
    return body if body.endswith("\n") else body + "\n"


def _turns(segments: Sequence[Mapping[str, Any]]) -> str:
    """`A: what A says`, a line for as long as nobody else speaks."""
    turns = groupby(segments, key=lambda segment: segment["speaker"] or "?")
    return "\n".join(
        f"{speaker}: {' '.join(segment['text'] for segment in said)}" for speaker, said in turns
    )


def _add_speakers(args: argparse.Namespace) -> str:
    """Ask for the format that has speakers; say so, if another was asked for."""
    if args.format == "json":
        args.format = "diarized_json"
    if args.format not in ("text", "diarized_json"):
        return f"--speakers: {args.format} has no place for them; text and json have"
    return ""


def _prepare_output(args: argparse.Namespace) -> str:
    """Make the folder; say what is wrong with it, if anything."""
    targets = Counter(_target(args.output, path, args.format) for path in args.files)
    target, count = targets.most_common(1)[0]
    if count > 1:
        return f"{count} files would all be written to {target}"
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"--output {args.output}: {error.strerror}"
    return ""


def _target(folder: Path, path: Path, response_format: Format) -> Path:
    return folder / f"{path.stem}{_SUFFIXES[response_format]}"


def _say_if_simulated(outcomes: list[_Outcome]) -> None:
    if any(outcome.answer is not None and outcome.answer.simulated for outcome in outcomes):
        print("note: these words are made up: the model is simulated", file=sys.stderr)


def _timings(outcomes: list[_Outcome]) -> Table:
    table = Table("file", box=None, pad_edge=False)
    for title in ("audio s", "wall s", *(f"{stage} ms" for stage in _STAGES), "rest ms"):
        table.add_column(title, justify="right")
    for outcome in outcomes:
        if (answer := outcome.answer) is None:
            continue
        stages_s = [answer.stages_s.get(stage) for stage in _STAGES]
        rest_s = answer.wall_s - sum(filter(None, stages_s)) if answer.stages_s else None
        table.add_row(
            Text(str(outcome.path)),
            "–" if answer.audio_s is None else f"{answer.audio_s:.2f}",
            f"{answer.wall_s:.3f}",
            *("–" if time_s is None else f"{time_s * 1000:.1f}" for time_s in (*stages_s, rest_s)),
        )
    return table
