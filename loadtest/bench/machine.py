"""What a figure was taken on: the machine and the versions that matter."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
