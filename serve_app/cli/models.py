"""`chorus models`: what a running server has, as a table."""

import argparse
import json
from collections.abc import Mapping, Sequence
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

_MAX_CODES = 30


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "models",
        help="list the models of a running server",
        description="List the models of a running server: the names that --model takes, the\n"
        "languages, what it translates, the device that it runs on and the licence of its\n"
        "weights, with the attributions that licences ask for. A model is `loading` until a\n"
        "replica of it can answer.",
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
    for model in models:
        if model.attribution:
            forbidden = " – NOT FOR COMMERCIAL USE" if model.non_commercial else ""
            print(f"{model.name}: {model.attribution}{forbidden}")
    return 0


def _table(models: Sequence[ModelDescription]) -> Table:
    titles = ("name", "aliases", "kind", "takes", "languages", "tasks", "translates")
    table = Table(*titles, "device", "licence", "simulated")
    for model in models:
        cells = (
            model.name,
            ", ".join(model.aliases) or "–",
            model.kind,
            _takes(model),
            _languages(model.languages) or "–",
            ", ".join(model.tasks) or "–",
            _directions(model.translations) or "–",
            (model.device or "–") if model.ready else "loading",
            model.licence or "–",
            "yes" if model.simulated else "no",
        )
        table.add_row(*map(Text, cells))
    return table


def _takes(model: ModelDescription) -> str:
    if model.diarizes:
        return "speakers"
    if "speak" in model.tasks:
        return "texts"
    return "live streams" if model.streaming else "recordings"


def _languages(codes: Sequence[str]) -> str:
    """As many as there is room for."""
    return " ".join(codes) if len(codes) <= _MAX_CODES else f"{len(codes)} languages"


def _directions(translations: Mapping[str, Sequence[str]]) -> str:
    """`en ↔ de fr` where both ways are there, `en → de` where one is."""
    shown: list[str] = []
    told: set[tuple[str, str]] = set()
    # What is translated into most languages first, so that the others are told with it.
    for spoken in sorted(translations, key=lambda code: -len(translations[code])):
        targets = [code for code in translations[spoken] if (spoken, code) not in told]
        both = [code for code in targets if spoken in translations.get(code, ())]
        told |= {(code, spoken) for code in both}
        for arrow, codes in (("↔", both), ("→", [c for c in targets if c not in both])):
            if codes:
                shown.append(f"{spoken} {arrow} {' '.join(codes)}")
    return ", ".join(shown)
