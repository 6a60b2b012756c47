"""A process in, the CPU seconds of all that it started out, by what they are. Linux only."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_REPLICA = "ray::ServeReplica:"
_METHOD = re.compile(r"\.(__init__|[a-z]+(_[a-z]+)+)$")
"""What a replica is doing just then; names of models have points as well."""


def cpu_s_by_group(root_pid: int) -> dict[str, float]:
    """CPU seconds so far of `root_pid` and its descendants; what has ended counts at its parent."""
    groups: dict[str, float] = defaultdict(float)
    for pid, cpu_s in descendants(root_pid).items():
        groups[group_of(pid, root_pid)] += cpu_s
    return dict(groups)


def descendants(root_pid: int) -> dict[int, float]:
    """`root_pid` and all that descends from it, with the CPU seconds of each so far."""
    parents: dict[int, int] = {}
    spent_s: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            # After the name, which may hold anything: state, ppid, …; see proc_pid_stat(5).
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        spent_s[int(folder.name)] = sum(map(int, fields[11:15])) / _TICKS_PER_S
    return {pid: cpu_s for pid, cpu_s in spent_s.items() if _descends(pid, root_pid, parents)}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {group: after[group] - before.get(group, 0.0) for group in after}


def idle_per_s(root_pid: int, for_s: float) -> dict[str, float]:
    """CPU seconds a second of each group, watched for so long while nobody asks for anything."""
    before, began_at = cpu_s_by_group(root_pid), time.perf_counter()
    time.sleep(for_s)
    after = cpu_s_by_group(root_pid)
    took_s = time.perf_counter() - began_at
    return {group: each / took_s for group, each in spent(before, after).items()}


def _descends(pid: int, root_pid: int, parents: Mapping[int, int]) -> bool:
    while pid and pid != root_pid:
        pid = parents.get(pid, 0)
    return pid == root_pid


def group_of(pid: int, root_pid: int) -> str:
    """What a process is to a server: the deployment of a replica, or another kind of work."""
    if pid == root_pid:
        return "chorus serve"
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "ended"
    if command.startswith(_REPLICA):
        name = command.removeprefix(_REPLICA).partition(":")[2].split()[0]
        return _METHOD.sub("", name)
    if "serve_app.audio.sandbox" in command:
        return "decoders"
    if command.startswith("ray::ProxyActor") or "haproxy" in command:
        return "HTTP proxy"
    if command.startswith("ray::ServeController"):
        return "Serve controller"
    return "Ray itself"
