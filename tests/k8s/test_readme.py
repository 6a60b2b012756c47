"""What the pages and the manifests tell to run names things that are there."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from ray.scripts import scripts
from ray.scripts.symmetric_run import curate_and_validate_ray_start_args

from serve_app.cli import main
from tests.k8s import manifests
from tests.k8s.manifests import K8S, OVERLAYS, ROOT

PAGES = [K8S / "README.md", ROOT / "docs" / "images.md", *(ROOT / "docs" / "how-to").glob("*.md")]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_page
def test_each_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(
        re.findall(r"(?<![\w/.$-])((?:k8s|configs|tiny|systemd)/[\w./-]+\w)", page.read_text())
    )
    named -= {"configs/keys/keys.yaml"}  # `chorus keys` makes it
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


@every_page
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_a_pod_runs_before_it_ends_is_a_command_of_chorus(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(manifests.values(manifests.ray_service(name), "preStop"))
    assert len(found) == len(manifests.templates(manifests.ray_service(name))) - 1
    for hook in found:
        program, *arguments = hook["exec"]["command"]
        assert program == "chorus"
        with pytest.raises(SystemExit) as ended:  # the options before it are parsed first
            main([*arguments, "--help"])
        assert ended.value.code == 0, capsys.readouterr().err


def test_what_slurm_starts_every_node_with_is_for_every_node() -> None:
    """`ray symmetric-run` hands head and workers the same flags; of those that are the head's
    alone, Ray names some in `symmetric-run` itself and the others in `ray start`."""
    page = (ROOT / "docs" / "how-to" / "slurm.md").read_text()
    found = re.search(r"ray symmetric-run (.*?) -- serve", page.replace("\\\n", " "), re.DOTALL)
    assert found is not None
    flags = curate_and_validate_ray_start_args(
        shlex.split(found[1].replace('"$SLURM_JOB_NUM_NODES"', "3"))
    )
    source = inspect.getsource(scripts.start.callback)
    head_only = re.search(r"head_only_flags = \{(.*?)\}", source, re.DOTALL)
    assert head_only is not None
    refused = set(re.findall(r'"(--[\w-]+)"', head_only[1]))
    assert refused
    assert not refused & {flag.partition("=")[0] for flag in flags}
