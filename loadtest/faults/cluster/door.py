"""The one address that clients know: HAProxy in front of the proxies of all nodes, as bytes pass.

It asks each proxy once a second whether it takes requests, and closes the connections of one that
has not answered twice: who waits for a node that has gone hears so.
"""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.faults.cluster.network import HERE

PORT, PROXY_PORT = 8000, 8000
URL = f"http://{HERE}:{PORT}"
_UP_WITHIN_S = 10.0
_HEAD = """\
global
  maxconn 4000
  stats socket {socket} level admin
defaults
  mode tcp
  retries 3
  option redispatch 1
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
frontend door
  bind {here}:{port}
  default_backend proxies
backend proxies
  balance leastconn
  option httpchk GET /-/healthz
  default-server inter 1s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
"""


@contextmanager
def door(folder: Path, nodes: Mapping[str, str]) -> Iterator["Door"]:
    """Open until the end; `nodes`: names and addresses."""
    lines = _HEAD.format(here=HERE, port=PORT, socket=folder / "door.sock")
    lines += "".join(f"  server {name} {at}:{PROXY_PORT} check\n" for name, at in nodes.items())
    config = folder / "haproxy.cfg"
    config.write_text(lines)
    with (folder / "haproxy.log").open("wb") as log:
        words = [_program(), "-f", str(config), "-db"]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        opened = Door(folder / "door.sock")
        opened.wait()
        yield opened
    finally:
        process.terminate()
        process.wait()


class Door:
    """Which nodes it lets clients to, by its own word."""

    def __init__(self, admin: Path) -> None:
        self._admin = admin

    def wait(self) -> None:
        give_up_at = time.monotonic() + _UP_WITHIN_S
        while not self._admin.is_socket():
            assert time.monotonic() < give_up_at, "HAProxy did not start"
            time.sleep(0.05)

    def open_to(self) -> frozenset[str]:
        rows = [line.split(",") for line in self._ask("show stat").splitlines()[1:]]
        servers = [row for row in rows if len(row) > 17 and row[0] == "proxies"]
        up = {row[1] for row in servers if row[17].startswith("UP")}
        return frozenset(up - {"BACKEND"})

    def _ask(self, order: str) -> str:
        with socket.socket(socket.AF_UNIX) as admin, suppress(OSError):
            admin.settimeout(2)
            admin.connect(str(self._admin))
            admin.sendall(f"{order}\n".encode())
            told = b""
            while part := admin.recv(65536):
                told += part
            return told.decode()
        return ""


def _program() -> str:
    """The binary that came with Ray Serve."""
    from ray.serve._private.haproxy import get_haproxy_binary

    return str(get_haproxy_binary())
