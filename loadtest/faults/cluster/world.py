"""A world of our own: namespaces for network, processes and mounts, in which this program runs.

Nothing of the machine's own network is touched, addresses are always the same, and when the program
ends, however it does, all processes of the cluster end with it. Needs root, or a kernel that lets
users make namespaces (`unshare --user`).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

_INSIDE = "CHORUS_FAULTS_WORLD"
_WITH_ROOT = ("--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
_INIT = ("bash", "-c", '"$@"; exit $?', "init")
"""The first process of the world buries those that nobody waits for."""
_WITHOUT_ROOT = ("--user", "--map-root-user")


def missing() -> str | None:
    """Why there can be no world of our own here; None where there can."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed: apt-get install util-linux iproute2"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or None if tried.returncode else None


def enter(module: str, arguments: Sequence[str]) -> None:
    """Returns inside of the world; outside, this program is run again in it, and this one ends with
    its status."""
    if os.environ.pop(_INSIDE, "") and os.getppid() == 1:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    if (why := missing()) is not None:
        raise SystemExit(f"no namespaces can be made here: {why}")
    command = [*_unshare(), *_INIT, sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, env={**os.environ, _INSIDE: "1"}, check=False).returncode)


def _unshare() -> list[str]:
    users = () if os.geteuid() == 0 else _WITHOUT_ROOT
    return ["unshare", *users, *_WITH_ROOT]
