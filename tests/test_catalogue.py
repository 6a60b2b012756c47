"""The table of checkpoints: what the configuration takes from it, and that the page shows it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from serve_app.catalogue import CATALOGUE, Checkpoint, find, is_non_commercial
from serve_app.config import ModelConfig
from serve_app.models.loader import licence_lines
from serve_app.transcript.languages import NAMES

PAGE = Path(__file__).parents[1] / "docs/models.md"
SERVED = [entry for entry in CATALOGUE.values() if entry.is_served]


def model(**settings: object) -> ModelConfig:
    return ModelConfig.model_validate({"name": "m", **settings})


def row(entry: Checkpoint) -> str:
    """The entry's line of the page."""
    cells = (
        f"[`{entry.name}`](https://huggingface.co/{entry.hub_name})",
        f"`{entry.kind}`" if entry.is_served else "not served",
        entry.decoder,
        str(len(entry.languages)) if len(entry.languages) > 5 else " ".join(entry.languages),
        f"from and to {entry.pivot_language}" if entry.pivot_language else "–",
        "yes" if entry.is_streaming else "–",
        f"{entry.num_parameters / 1e6:,.0f} M",
        gigabytes(entry.file_bytes),
        gigabytes(entry.weights_bytes("bfloat16")),
        gigabytes(entry.load_memory_bytes),
        f"**{entry.licence}**" if is_non_commercial(entry.licence) else entry.licence,
    )
    return f"| {' | '.join(cells)} |"


def gigabytes(num_bytes: int | None) -> str:
    return "?" if num_bytes is None else f"{num_bytes / 1e9:.2f} GB"


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_the_page_shows_each_checkpoint_and_its_attribution(entry: Checkpoint) -> None:
    lines = PAGE.read_text().splitlines()
    assert row(entry) in lines
    assert f"- {entry.attribution}" in lines


@pytest.mark.parametrize("entry", SERVED, ids=lambda entry: entry.name)
def test_a_hub_name_is_all_that_a_configuration_needs(entry: Checkpoint) -> None:
    config = model(kind=entry.kind, checkpoint=entry.hub_name)
    assert config.languages == entry.languages
    assert set(config.languages) <= set(NAMES)
    assert config.tasks == entry.tasks
    assert len(config.translations()) == (
        2 * (len(entry.languages) - 1) if entry.pivot_language else 0
    )
    assert (config.licence, config.attribution) == (entry.licence, entry.attribution)
    assert entry.licence in entry.attribution
    assert ModelConfig.model_validate(config.model_dump()) == config


def test_what_the_configuration_says_itself_stands() -> None:
    config = model(
        kind="canary",
        checkpoint="nvidia/canary-1b-v2",
        languages=("de", "fr"),
        pivot_language=None,
        licence="ours",
    )
    assert (config.languages, config.translations(), config.licence) == (("de", "fr"), (), "ours")


def test_a_file_may_name_its_entry() -> None:
    config = model(kind="canary", checkpoint="mine.nemo", catalogue="canary-180m-flash")
    assert config.languages == ("en", "de", "fr", "es")
    assert model(kind="canary", checkpoint="nvidia/other").languages == ("en",)
    assert find("canary-1b") is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kind": "parakeet", "checkpoint": "nvidia/canary-1b"}, "is of kind 'canary'"),
        ({"kind": "canary", "checkpoint": "x.nemo", "catalogue": "x"}, "is none of canary-1b"),
        (
            {"kind": "parakeet", "checkpoint": "nvidia/nemotron-3.5-asr-streaming-0.6b"},
            "cannot run it",
        ),
        (
            {"kind": "canary", "checkpoint": "nvidia/canary-1b", "pivot_language": "ru"},
            "not among its languages",
        ),
    ],
)
def test_what_contradicts_the_catalogue_is_refused(
    settings: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        model(**settings)


def test_a_licence_is_told_at_start_up_and_a_forbidding_one_loudly() -> None:
    free = model(kind="parakeet", checkpoint="nvidia/parakeet-tdt-0.6b-v3")
    unfree = model(kind="canary", checkpoint="nvidia/canary-1b")
    own = model(kind="parakeet", checkpoint="own.nemo")
    lines = list(licence_lines([free, unfree, own]))
    assert len(lines) == 3
    assert "parakeet-tdt-0.6b-v3 by NVIDIA" in lines[0]
    assert "creativecommons.org/licenses/by/4.0/" in lines[0]
    assert lines[2] == "WARNING: CC-BY-NC-4.0 forbids all COMMERCIAL use of m"


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, serve_app.catalogue; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"torch", "nemo", "pydantic", "ray"} & set(listed.stdout.split())


if __name__ == "__main__":  # prints the page's table and attributions
    print("\n".join(map(row, CATALOGUE.values())))
    print("\n".join(f"- {entry.attribution}" for entry in CATALOGUE.values()))
