"""A server under load in, whose code each of its processes was in out: by py-spy, from outside.

Ray brings py-spy along. It needs the right to read another process of the same user, which root
has, and others where `kernel.yama.ptrace_scope` allows it; where it has not, nothing is found.
Only the thread that holds the interpreter is counted: what native threads do is not seen.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from loadtest.bench.cpu import descendants, group_of
from loadtest.bench.findings import Row, Table

_RATE_HZ = 100
_NUM_SHOWN = 6
_STOP_TIMEOUT_S = 60.0


def sampled(
    root_pid: int, groups: Sequence[str], *, for_s: int, load: Callable[[], object]
) -> dict[str, Counter[str]]:
    """Samples of each group by `owner_of`, taken `for_s` long while `load` runs."""
    pids = {group_of(pid, root_pid): pid for pid in descendants(root_pid)}
    with tempfile.TemporaryDirectory() as folder:
        watching = {
            group: _watch(pids[group], Path(folder) / str(pids[group]), for_s)
            for group in groups
            if group in pids
        }
        load()
        found = {}
        for group, process in watching.items():
            process.wait(_STOP_TIMEOUT_S)
            path = Path(folder) / str(pids[group])
            if path.is_file():
                found[group] = owners(path.read_text().splitlines())
    return found


def owners(lines: Iterable[str]) -> Counter[str]:
    """Of stacks as py-spy's `raw` format has them: `outer (a.py:1);inner (b.py:2) count`."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found[owner_of(stack.split(";"))] += int(count)
    return found


def owner_of(stack: Sequence[str]) -> str:
    """The package of the innermost frame that is not Python's own; of ours, with its room."""
    for frame in reversed(stack):
        path = frame.rpartition("(")[2].partition(":")[0]
        parts = path.rpartition("site-packages/")[2].lstrip("/").split("/")
        if "serve_app" in parts:
            at = parts.index("serve_app")
            return "/".join(parts[at : at + 2]).removesuffix(".py")
        name = parts[0].removesuffix(".py")
        if len(parts) > 1 and parts[0].startswith(("usr", "opt", "work", "home", "root", "tmp")):
            name = parts[-2]
        if name and name not in sys.stdlib_module_names and not name.startswith(("<", "python3")):
            return name
    return "Python itself"


def profile_table(found: Mapping[str, Counter[str]]) -> Table:
    rows: list[Row] = []
    for group, counts in found.items():
        whole = sum(counts.values())
        if not whole:
            continue
        shown = ", ".join(
            f"{owner} {count / whole:.0%}" for owner, count in counts.most_common(_NUM_SHOWN)
        )
        rows.append((group, shown, str(whole)))
    return Table(
        "Whose code holds each process' interpreter", ("process", "packages", "samples"), rows
    )


def _watch(pid: int, path: Path, for_s: int) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("py-spy")
    command = [
        str(program), "record", "--pid", str(pid), "--duration", str(for_s),
        "--rate", str(_RATE_HZ), "--gil", "--format", "raw", "--output", str(path),
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
