"""Debian's PostgreSQL, started in a folder of its own, reached by a socket in it alone."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil

USER = "postgres"
_DEBIAN = "/usr/lib/postgresql"


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    if _program("initdb") is None or _program("pg_ctl") is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    try:
        import asyncpg  # noqa: F401 - only whether it is there
    except ImportError:
        return 'asyncpg is not installed: pip install "chorus-speech[postgres]"'
    return None


def _program(name: str) -> str | None:
    newest_first = sorted(Path(_DEBIAN).glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.environ["PATH"]]))


@contextmanager
def running() -> Iterator[str]:
    """The folder that its socket is in; see `url`. Stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # short: a socket's path has 107 bytes
    try:
        if getpass.getuser() == "root":
            shutil.chown(folder, USER, USER)  # it refuses to run as root
        server = folder / "server"
        _run("initdb", "-D", server, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8")
        start(str(folder))
        try:
            yield str(folder)
        finally:
            stop(str(folder))
    finally:
        shutil.rmtree(folder)


def start(folder: str) -> None:
    """Again; what was committed is there."""
    options = f"-c fsync=off -c listen_addresses='' -c max_connections=200 -k {folder}"
    _run("pg_ctl", "-D", f"{folder}/server", "-w", "-l", f"{folder}/log", "-o", options, "start")


def stop(folder: str) -> None:
    """As a crash does."""
    _run("pg_ctl", "-D", f"{folder}/server", "-w", "-m", "immediate", "stop")


def processes(folder: str) -> Sequence[int]:
    """All of its processes."""
    server = int((Path(folder) / "server" / "postmaster.pid").read_text().split()[0])
    return [server, *(child.pid for child in psutil.Process(server).children())]


def _run(program: str, *arguments: str | Path) -> None:
    found = _program(program)
    assert found is not None
    as_user: Mapping[str, Any] = {}
    if getpass.getuser() == "root":
        as_user = {"user": USER, "group": USER, "extra_groups": []}
    subprocess.run(
        [found, *map(str, arguments)],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **as_user,
    )


def url(folder: str, database: str = "postgres") -> str:
    """As SQLAlchemy wants it."""
    return f"postgresql+asyncpg://{USER}@/{database}?host={folder}"


@asynccontextmanager
async def new_database(folder: str, name: str) -> AsyncIterator[str]:
    """Its URL; dropped at the end, whoever is connected."""
    import asyncpg

    connection = await asyncpg.connect(host=folder, user=USER, database="postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
        yield url(folder, name)
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
