"""`chorus jobs`: recordings handed in to a running server, watched, and their results."""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from serve_app.cli.parsers import (
    Commands,
    add_command,
    add_connection,
    add_option_fields,
    connect,
    option_fields,
    positive_float,
    positive_int,
)
from serve_app.cli.tables import print_table
from serve_app.client import Client
from serve_app.client.jobs import JobStatus

_FORMATS = ("text", "json", "verbose_json", "diarized_json", "srt", "vtt")
_STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
_EXAMPLES = """\
  chorus jobs submit talk.mp3 --wait          hand it in, watch it, print its text
  chorus jobs submit *.flac --priority 10     one job of several recordings; prints its id
  chorus jobs list --status processing
  chorus jobs wait JOB_ID
  chorus jobs result JOB_ID --format srt > talk.srt
  chorus jobs cancel JOB_ID
  chorus jobs delete JOB_ID
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "jobs",
        help="hand recordings in, to be transcribed later whatever happens",
        description="Jobs survive whatever happens to the server or to this machine: hand\n"
        "recordings in, ask how far they are, fetch what has come of them.",
        examples=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    _add_submit(actions)
    _add_list(actions)
    wait = _add_one(actions, "wait", "wait until a job has ended, with a progress bar", _wait)
    _add_timeout(wait)
    result = _add_one(actions, "result", "print what a completed job has come to", _result)
    _add_format(result)
    _add_one(actions, "cancel", "stop a job", _cancel)
    _add_one(actions, "delete", "forget a job, its results and its audio", _delete)


def _add_submit(actions: Commands) -> None:
    parser = add_command(
        actions,
        "submit",
        help="hand in one job of one or more recordings",
        description="Hand the FILEs in as one job, and print its id.",
        examples="  chorus jobs submit talk.mp3 --wait --format srt > talk.srt\n"
        "  chorus jobs submit *.flac --callback-url https://app.example/done\n"
        "  chorus jobs submit meeting.wav --speakers --hotword Chorus --numbers",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a recording")
    add_option_fields(parser)
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        metavar="N",
        help="-100 to 100, higher first (default: 0)",
    )
    parser.add_argument(
        "--callback-url", metavar="URL", help="is sent the job, signed, when it has ended"
    )
    parser.add_argument(
        "--time-to-live",
        type=positive_float,
        metavar="S",
        help="seconds for which the results are kept (default: the server's limit)",
    )
    parser.add_argument(
        "--idempotency-key",
        metavar="KEY",
        help="handed in again with the same one, it is the same job (default: a new one)",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait until it has ended, and print its result"
    )
    _add_timeout(parser)
    _add_format(parser)
    add_connection(parser)
    parser.set_defaults(run=_submit)


def _add_list(actions: Commands) -> None:
    parser = add_command(
        actions,
        "list",
        help="your jobs, the newest first",
        description="A table of jobs, the newest first.",
        examples="  chorus jobs list --limit 200\n  chorus jobs list --json | jq -r .job_id",
    )
    parser.add_argument("--status", choices=_STATUSES, help="only those (default: all)")
    parser.add_argument(
        "--limit", type=positive_int, default=50, metavar="N", help="how many (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON for each, no table")
    add_connection(parser)
    parser.set_defaults(run=_list)


def _add_one(actions: Commands, name: str, help: str, run: object) -> argparse.ArgumentParser:
    parser = add_command(
        actions,
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        examples=f"  chorus jobs {name} job_3f0c…",
    )
    parser.add_argument("job", metavar="JOB_ID", help="as `submit` printed it")
    add_connection(parser)
    parser.set_defaults(run=run)
    return parser


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait-timeout",
        type=positive_float,
        default=float("inf"),
        metavar="S",
        help="seconds to wait at most; the job goes on (default: for ever)",
    )


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=_FORMATS, default="text", help="of the result (default: text)"
    )


def _submit(args: argparse.Namespace) -> int:
    with connect(args) as client:
        try:
            job = client.jobs.submit(
                args.files,
                callback_url=args.callback_url,
                priority=args.priority,
                time_to_live_s=args.time_to_live,
                idempotency_key=args.idempotency_key,
                **option_fields(args),
            )
        except OSError as error:
            print(f"chorus jobs: {error.filename}: {error.strerror}", file=sys.stderr)
            return 1
        if not args.wait:
            print(job.id)
            return 0
        print(f"job {job.id}", file=sys.stderr)
        return _watched(client, job.id, args.wait_timeout) or _print_result(
            client, job.id, args.format
        )


def _list(args: argparse.Namespace) -> int:
    with connect(args) as client:
        jobs: list[JobStatus] = []
        for job in client.jobs.all(status=args.status):
            jobs.append(job)
            if len(jobs) == args.limit:
                break
    if args.json:
        for job in jobs:
            print(json.dumps(dict(job.told)))
        return 0
    table = Table("job", "status", "done", "audio", "handed in", "recordings", box=None)
    for job in jobs:
        names = job.files[0].filename + (f" +{len(job.files) - 1}" if len(job.files) > 1 else "")
        done = f"{job.progress:.0%}"
        table.add_row(
            job.id, job.status, done, f"{job.duration_s:.0f} s", job.created_at[:19], names
        )
    print_table(table)
    return 0


def _wait(args: argparse.Namespace) -> int:
    with connect(args) as client:
        return _watched(client, args.job, args.wait_timeout)


def _result(args: argparse.Namespace) -> int:
    with connect(args) as client:
        return _print_result(client, args.job, args.format)


def _cancel(args: argparse.Namespace) -> int:
    with connect(args) as client:
        job = client.jobs.cancel(args.job)
    print(f"{job.id} is {job.status}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    with connect(args) as client:
        client.jobs.delete(args.job)
    print(f"{args.job} is forgotten")
    return 0


def _watched(client: Client, job_id: str, timeout_s: float) -> int:
    """Wait with a bar, where somebody sees it; 0 if the job is completed."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        TimeElapsedColumn(),
        console=console,
    )
    with bar if console.is_terminal else nullcontext():
        task: TaskID = bar.add_task("waiting", total=1.0)

        def told(job: JobStatus) -> None:
            bar.update(
                task,
                description=job.status,
                completed=job.processed_s,
                total=max(job.duration_s, job.processed_s, 1e-9),
            )

        job = client.jobs.wait(job_id, timeout_s=timeout_s, told=told)
    if job.status != "completed":
        why = "".join(
            f"\n  {each.filename}: {each.error}" for each in job.files if each.error is not None
        )
        print(f"chorus jobs: {job.id} is {job.status}{why}", file=sys.stderr)
        return 1
    print(f"{job.id} is {job.status}", file=sys.stderr)
    return 0


def _print_result(client: Client, job_id: str, format: str) -> int:
    """Text of several recordings is headed by their names."""
    if format != "text" or len(client.jobs.get(job_id).files) == 1:
        print(client.jobs.result(job_id, format).rstrip())  # type: ignore[arg-type]  # of the choices
        return 0
    for result in client.jobs.transcript(job_id)["results"]:
        print(f"{result['filename']}: {result.get('text') or result.get('error') or ''}")
    return 0
