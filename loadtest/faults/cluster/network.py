"""One network for all nodes: a bridge, and for each node a namespace whose cable can be pulled."""

import subprocess

HERE = "10.77.0.1"
"""Where clients, balancer, Redis and PostgreSQL are."""
_BRIDGE, _PREFIX = "chorus0", "24"


def make() -> None:
    """Once, before the first `Host`."""
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{HERE}/{_PREFIX}", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")


class Host:
    """A machine, as far as the network goes: an address, and processes that see no other."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"10.77.0.{number}"
        _ip("netns", "add", name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", self._cable, "master", _BRIDGE, "up")
        _ip("-n", name, "addr", "add", f"{self.address}/{_PREFIX}", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")

    @property
    def _cable(self) -> str:
        return f"to-{self.name}"

    def command(self, *words: str) -> list[str]:
        """What runs `words` in this host."""
        return ["ip", "netns", "exec", self.name, *words]

    def pids(self) -> list[int]:
        """Of all its processes."""
        return [int(pid) for pid in _ip("netns", "pids", self.name).split()]

    def cut(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self._cable, "up")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
