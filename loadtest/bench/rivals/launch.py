"""A rival's module in, its address out, for as long as it is wanted."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.bench.load import BenchError
from loadtest.bench.server import free_port
from serve_app.models.loader import PROJECT_ROOT

_START_TIMEOUT_S, _STOP_TIMEOUT_S = 180.0, 10.0
_POLL_S = 0.1


@contextmanager
def rival(name: str, **options: float) -> Iterator[str]:
    """Run `loadtest.bench.rivals.<name>` with `options`, each as `--its-name`.

    Raises:
        BenchError: it did not answer; with the end of its log.
    """
    port = free_port()
    command = [sys.executable, "-m", f"loadtest.bench.rivals.{name}", f"--port={port}"]
    command += [f"--{key.replace('_', '-')}={value!r}" for key, value in options.items()]
    with tempfile.NamedTemporaryFile("w+", prefix=f"{name}-", suffix=".log") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_until_it_listens(name, port, process, Path(log.name))
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _wait_until_it_listens(
    name: str, port: int, process: subprocess.Popen[bytes], log: Path
) -> None:
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    tail = "\n".join(log.read_text().splitlines()[-10:])
    raise BenchError(f"{name} did not start:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """With the processes that it started: they are in its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
