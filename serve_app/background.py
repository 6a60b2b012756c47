"""A server that outlives the command that started it: start, wait until it is ready, stop.

Its process id and its log lie in `STATE_FOLDER`, under the port that it listens on.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import httpx

from serve_app.errors import ConfigError

STATE_FOLDER = Path(".chorus")
_START_TIMEOUT_S = 1800.0
_STOP_TIMEOUT_S = 120.0
_POLL_S = 0.25


def start(config: Path, address: str, arguments: list[str]) -> bool:
    """Start a server for `address` unless one answers there; return whether it was started.

    Raises:
        ConfigError: it did not become ready; with the end of its log.
    """
    if is_ready(address):
        return False
    STATE_FOLDER.mkdir(exist_ok=True)
    log_path = _path(address, "log")
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve_app.cli", "serve", str(config), *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    _path(address, "pid").write_text(str(process.pid))
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while not is_ready(address):
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise ConfigError(str(log_path), "the server did not start:\n" + _tail(log_path))
        time.sleep(_POLL_S)
    return True


def stop(address: str) -> bool:
    """End the server that `start` started for `address`; return whether there was one.

    Requests under way are finished first; after two minutes it is killed.
    """
    pid_path = _path(address, "pid")
    if not pid_path.is_file():
        return False
    pid = int(pid_path.read_text())
    pid_path.unlink()
    if not _is_ours(pid):
        return False
    os.kill(pid, signal.SIGTERM)
    give_up_at = time.monotonic() + _STOP_TIMEOUT_S
    while _is_ours(pid):
        if time.monotonic() > give_up_at:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    return True


def is_ready(address: str) -> bool:
    """Whether a server at `address` would answer a transcription now."""
    try:
        return httpx.get(f"{address}/ready", timeout=10.0).status_code == 200
    except httpx.HTTPError:
        return False


def _path(address: str, suffix: str) -> Path:
    return STATE_FOLDER / f"{address.rpartition(':')[2]}.{suffix}"


def _is_ours(pid: int) -> bool:
    """Whether `pid` is a running `chorus serve`, and not some later process of the same number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"serve_app.cli" in words and state != "Z"


def _tail(path: Path, num_lines: int = 30) -> str:
    with path.open() as log:
        return "".join(deque(log, num_lines))
