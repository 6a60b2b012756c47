"""What a figure was taken on: the machine, the versions that matter, and the commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("ray", "nemo_toolkit", "torch", "fastapi", "numpy")


def describe_machine() -> str:
    """`Intel Xeon … · 2 cores · 24 GB memory · Linux 6.1`."""
    cores = len(os.sched_getaffinity(0))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{_cpu_name()} · {cores} cores · {memory_bytes / 2**30:.0f} GiB memory · {system}"


def describe_versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return " · ".join(found)


_PAGES = (":!docs", ":!*.md")


def describe_commit(root: Path = _ROOT) -> str:
    """`1a2b3c4`, `1a2b3c4+changes` where its files were changed since, or `no commit` where there
    is no repository. Pages do not count: a run that writes them changes no code."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_PAGES)
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return f"{commit}+changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
