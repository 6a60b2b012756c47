"""`chorus models`: what a running server has, as a table."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from serve_app.cli.parsers import Commands, add_command, add_connection, connect
from serve_app.cli.tables import print_table
from serve_app.client import ModelDescription

_EXAMPLES = """\
  chorus models
  chorus models --url http://speech.example:8000 --json | jq -r '.[].name'
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "models",
        help="list the models of a running server",
        description="List the models of a running server: the names that --model takes, the\n"
        "languages, the device that each runs on and the licence of its weights. A model is\n"
        "`loading` until a replica of it can answer.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_connection(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    with connect(args) as client:
        models = client.models()
    if args.json:
        print(json.dumps([asdict(model) for model in models], indent=2, ensure_ascii=False))
        return 0
    print_table(_table(models))
    return 0


def _table(models: Sequence[ModelDescription]) -> Table:
    table = Table("name", "aliases", "kind", "languages", "tasks", "device", "licence", "simulated")
    for model in models:
        cells = (
            model.name,
            ", ".join(model.aliases) or "–",
            model.kind,
            " ".join(model.languages) or "–",
            ", ".join(model.tasks) or "–",
            (model.device or "–") if model.ready else "loading",
            model.licence or "–",
            "yes" if model.simulated else "no",
        )
        table.add_row(*map(Text, cells))
    return table
