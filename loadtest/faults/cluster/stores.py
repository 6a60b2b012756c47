"""What a cluster keeps its memory in, beside its nodes: Redis for Ray's, PostgreSQL for jobs.

Where one is not installed, Ray's own RocksDB or SQLite stands in; a report's conditions say so.
"""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.faults.cluster.network import HERE

REDIS_PORT, POSTGRES_PORT = 6380, 5432
_DEBIAN = "/usr/lib/postgresql"
_USER = "postgres"
_UP_WITHIN_S = 20.0


@contextmanager
def memory_of_the_head(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a head whose memory outlives it."""
    program = shutil.which("redis-server")
    if program is None:
        (folder / "gcs").mkdir()
        yield {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(folder / "gcs")}
        return
    words = ["--port", str(REDIS_PORT), "--bind", HERE, "--protected-mode", "no", "--save", ""]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([program, *words], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(REDIS_PORT)
        yield {"RAY_REDIS_ADDRESS": f"{HERE}:{REDIS_PORT}"}
    finally:
        server.kill()
        server.wait()


@contextmanager
def database_of_jobs(folder: Path) -> Iterator[str]:
    """Its URL, as SQLAlchemy wants it."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    is_root = getpass.getuser() == "root"
    if initdb is None or pg_ctl is None or (is_root and not _is_mapped(_USER)):
        yield f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}"
        return
    server = folder / "postgres"
    server.mkdir()
    as_user = {"user": _USER, "group": _USER, "extra_groups": []} if is_root else {}
    if is_root:  # it refuses to run as root
        folder.chmod(0o711)
        shutil.chown(server, _USER, _USER)

    def run(*words: str) -> None:
        subprocess.run(
            words, check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            **as_user,  # type: ignore[call-overload]  # keywords of one of its forms
        )  # fmt: skip

    data = str(server / "data")
    run(initdb, "-D", data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8")
    with (server / "data/pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/24 trust\n")
    options = f"-c listen_addresses={HERE} -c port={POSTGRES_PORT} -k {server} -c fsync=off"
    run(pg_ctl, "-D", data, "-w", "-l", str(server / "log"), "-o", options, "start")
    try:
        yield f"postgresql+asyncpg://{_USER}@{HERE}:{POSTGRES_PORT}/postgres"
    finally:
        run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")


def _program(name: str) -> str | None:
    newest_first = sorted(Path(_DEBIAN).glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.environ["PATH"]]))


def _is_mapped(user: str) -> bool:
    """Not where this root is one of a user's own namespace: it cannot become another."""

    with suppress(KeyError):
        number = pwd.getpwnam(user).pw_uid
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
        return any(int(first) <= number < int(first) + int(size) for first, _, size in ranges)
    return False


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + _UP_WITHIN_S
    while time.monotonic() < give_up_at:
        with suppress(OSError), socket.create_connection((HERE, port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {HERE}:{port}")
