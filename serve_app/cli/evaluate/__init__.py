"""`chorus eval`: recordings whose words are known in, word error rate and speed out."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_app.cli.evaluate.manifest import Entry, ManifestError, read_manifest
from serve_app.cli.evaluate.scores import (
    Score,
    aligned,
    directions_table,
    summary_of,
    summary_table,
    worst,
)
from serve_app.cli.parsers import (
    Commands,
    add_command,
    add_connection,
    add_recording_options,
    connect,
    natural,
)
from serve_app.cli.progress import Progress, in_parallel
from serve_app.cli.tables import print_table
from serve_app.client import Client, ClientError, Transcription, UnreachableError
from serve_app.wer import normalise

_EXAMPLES = """\
  chorus eval tiny/samples/samples.json
  chorus eval test_manifest.jsonl --model parakeet --concurrency 32 --json rows.json
  chorus eval test_manifest.jsonl --show-errors 10
  chorus eval cased.jsonl --no-normalise      capitals and punctuation count as well

a line of a manifest:
  {"audio_filepath": "clips/0001.flac", "text": "what is said in it"}
  {"audio_filepath": "0002.wav", "source_lang": "en", "target_lang": "de", "text": "auf Deutsch"}
"""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One recording, with its transcript or with what went wrong."""

    entry: Entry
    answer: Transcription | None = None
    problem: str = ""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "eval",
        help="measure word error rate and speed of a running server",
        description="Transcribe the recordings of MANIFEST by a running server, and print how\n"
        "many words were wrong and how fast the answers came. MANIFEST is JSON lines as NeMo has\n"
        "them (`audio_filepath` or `file`, `text`, and `lang` or `source_lang` if the model is\n"
        "to be told, `target_lang` if `text` is a translation, `pnc`), or one JSON list of the\n"
        "same; paths count from its folder. Texts are compared in lower case and without\n"
        "punctuation. Errors are summed over all files, and over those of each language and\n"
        "direction. A file that fails is reported and left out; the exit status is then 1.",
        examples=_EXAMPLES,
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="JSON lines or a JSON list")
    add_recording_options(parser, default_concurrency=8)
    parser.add_argument(
        "--no-normalise", action="store_true", help="compare the texts as they are written"
    )
    parser.add_argument(
        "--show-errors",
        type=natural,
        default=0,
        metavar="N",
        help="print the N recordings with the most errors, word over word",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the table and a row per recording there"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_connection(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        entries = read_manifest(args.manifest)
    except ManifestError as error:
        print(f"chorus eval: {error}", file=sys.stderr)
        return 2
    began_at = time.perf_counter()
    outcomes = _transcribe_all(entries, args)
    wall_s = time.perf_counter() - began_at
    scores = [
        _score(outcome.entry, outcome.answer, as_written=args.no_normalise)
        for outcome in outcomes
        if outcome.answer is not None
    ]
    failed = [outcome for outcome in outcomes if outcome.answer is None]
    summary = summary_of(scores, num_failed=len(failed), wall_s=wall_s)
    _print(args, scores, summary)
    if args.json is not None:
        rows = [score.row() for score in scores]
        rows += [{"file": str(each.entry.path), "error": each.problem} for each in failed]
        document = {"summary": summary, "rows": rows}
        args.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return int(bool(failed))


def _transcribe_all(entries: Sequence[Entry], args: argparse.Namespace) -> list[_Outcome]:
    outcomes = []
    with connect(args) as client, Progress(len(entries), quiet=args.quiet) as progress:

        def work(entry: Entry) -> _Outcome:
            return _transcribe(client, entry, args)

        for outcome in in_parallel(work, entries, concurrency=args.concurrency, progress=progress):
            outcomes.append(outcome)
            if outcome.answer is None:
                progress.complaint(f"chorus eval: {outcome.entry.path}: {outcome.problem}")
    return outcomes


def _transcribe(client: Client, entry: Entry, args: argparse.Namespace) -> _Outcome:
    try:
        answer = client.transcribe(
            entry.path,
            model=args.model,
            language=args.language or entry.language,
            task="translate" if entry.target_language else None,
            target_language=entry.target_language,
            pnc=entry.pnc if args.pnc is None else args.pnc,
        )
        return _Outcome(entry, answer)
    except UnreachableError:
        raise
    except ClientError as error:
        return _Outcome(entry, problem=str(error))
    except OSError as error:
        return _Outcome(entry, problem=error.strerror or str(error))


def _score(entry: Entry, answer: Transcription, *, as_written: bool) -> Score:
    texts = (entry.text, answer.text)
    reference, hypothesis = texts if as_written else map(normalise, texts)
    return Score(entry.path, entry.direction, reference, hypothesis, answer)


def _print(args: argparse.Namespace, scores: Sequence[Score], summary: dict[str, Any]) -> None:
    for score in worst(scores, args.show_errors):
        errors = score.words
        print(
            f"{score.path}: {errors.total} wrong of {errors.num_reference} words "
            f"({errors.substitutions} substituted, {errors.deletions} deleted, "
            f"{errors.insertions} inserted)\n{aligned(score)}\n"
        )
    model = args.model or "the server's default model"
    print_table(
        summary_table(summary, f"{args.manifest.name}, {model}, {args.concurrency} at a time")
    )
    if len({score.direction for score in scores}) > 1:
        print_table(directions_table(summary["directions"]))
    if summary["simulated"]:
        print("note: these words are made up: the model is simulated", file=sys.stderr)
