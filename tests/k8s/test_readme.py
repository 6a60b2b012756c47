"""What the pages and the manifests tell to run names things that are there."""

import re
from pathlib import Path

import pytest

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
