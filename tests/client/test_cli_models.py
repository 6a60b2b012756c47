"""`chorus models`, and the help of all commands."""

import json

import pytest

from serve_app.cli import main

pytestmark = pytest.mark.usefixtures("site")


def test_models_are_a_table_of_all_that_a_user_chooses_by(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [cell.strip() for cell in lines[1].split("┃")[1:-1]]
    assert titles == [
        "name",
        "aliases",
        "kind",
        "takes",
        "languages",
        "tasks",
        "translates",
        "device",
        "licence",
        "simulated",
    ]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert rows == [
        [
            "parakeet-tiny",
            "parakeet, tiny",
            "parakeet",
            "recordings",
            "en de",
            "transcribe",
            "–",
            "cpu",
            "CC-BY-4.0",
            "no",
        ],
        [
            "pretender",
            "–",
            "simulated",
            "recordings",
            "en fr",
            "transcribe",
            "–",
            "simulated",
            "–",
            "yes",
        ],
        [
            "canary-tiny",
            "–",
            "canary",
            "recordings",
            "en de fr",
            "transcribe, translate",
            "en ↔ de fr",
            "loading",
            "–",
            "no",
        ],
        [
            "speakers",
            "–",
            "sortformer",
            "speakers",
            "–",
            "–",
            "–",
            "loading",
            "–",
            "no",
        ],
        [
            "espeak",
            "–",
            "espeak",
            "texts",
            "104 languages",
            "speak",
            "–",
            "loading",
            "GPL-3.0-or-later",
            "no",
        ],
    ]
    assert "parakeet-tiny: parakeet-tiny by us" in lines


def test_models_as_json_are_for_scripts(capsys):
    assert main(["models", "--json"]) == 0
    assert [model["name"] for model in json.loads(capsys.readouterr().out)] == [
        "parakeet-tiny",
        "pretender",
        "canary-tiny",
        "speakers",
        "espeak",
    ]


@pytest.mark.parametrize(
    "command",
    ["serve", "stop", "check", "transcribe", "translate", "listen", "models", "eval", "speak"],
)
def test_the_help_of_each_command_has_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"examples:\n  chorus {command}" in capsys.readouterr().out
