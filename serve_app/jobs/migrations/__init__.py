"""A database of any earlier version, in; its tables in the shape of `store.tables`, out."""

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from serve_app.errors import ConfigError
from serve_app.jobs.database import (
    CONNECTION_ERRORS,
    PLACE,
    cannot_be_used,
    engine_of,
    sqlite_path,
)

VERSION_TABLE = "jobs_version"

_one_at_a_time = threading.Lock()  # Alembic keeps what it works on in global variables


async def bring_up_to_date(url: URL) -> None:
    """In one transaction; of several processes that come at once, the others wait for it.

    Raises:
        ConfigError: there is no such database, or its tables are of a later version.
    """
    await asyncio.to_thread(_migrate, url)


def _migrate(url: URL) -> None:
    """Has an event loop of its own: so it may wait for files and locks."""
    try:
        with _one_at_a_time, _locked(sqlite_path(url)):
            asyncio.run(_upgrade(url))
    except CONNECTION_ERRORS as error:
        raise cannot_be_used(url, error) from error


@contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    if path is None:
        yield  # PostgreSQL has locks itself
        return
    with open(f"{path}.lock", "ab", opener=_for_its_owner) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go with the file, or with the process
        if not path.exists():
            # SQLite's other files will be like it. One that is there is not touched: to close it
            # would let go of all locks that this process has on it, whoever took them.
            open(path, "ab", opener=_for_its_owner).close()
        yield


def _for_its_owner(path: str, flags: int) -> int:
    """What people said is nobody else's."""
    return os.open(path, flags, 0o600)


async def _upgrade(url: URL) -> None:
    engine = engine_of(url, for_migrating=True)
    try:
        if engine.dialect.name == "sqlite":
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                # Stays so; readers do not wait for the writer then.
                await raw.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
                await connection.execute(lock, {"name": VERSION_TABLE})
            await connection.run_sync(_upgrade_tables)
    finally:
        await engine.dispose()


def _upgrade_tables(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    unknown = set(context.get_current_heads()) - known
    if unknown:
        reason = f"its tables are of a later version of this server: {', '.join(sorted(unknown))}"
        raise ConfigError(PLACE, reason)
    command.upgrade(config, "head")
