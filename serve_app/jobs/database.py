"""A URL, in; transactions on SQLite or PostgreSQL, out. What differs between the two is here.

SQLite     one node. It has one writer at a time: `writing` waits for its turn before it begins, so
           that no transaction fails halfway. Whatever was committed is on the disk.
PostgreSQL any number of nodes. Rows are locked, and all leases run by the database's clock.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from serve_app.errors import ConfigError

PLACE = "jobs.database_url"
"""Where a `ConfigError` of it points to."""
CONNECTION_ERRORS: tuple[type[Exception], ...] = (OSError, SQLAlchemyError, sqlite3.Error)
"""What it means that a database cannot be reached, or not be used; time-outs are OSErrors."""
try:
    from asyncpg import InterfaceError, PostgresError
except ImportError:  # an extra, for clusters
    pass
else:
    CONNECTION_ERRORS = (*CONNECTION_ERRORS, PostgresError, InterfaceError)

_BUSY_TIMEOUT_S = 30.0
"""For another process to end its transaction on SQLite."""
_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_S = 8.0
_LOCK_TIMEOUT_S = 5.0
_POOL_TIMEOUT_S = 10.0
_NUM_CONNECTIONS = 5
_BEGIN = "begins_with"
_POSTGRES_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::double precision")


def checked_url(url: str) -> URL:
    """
    Raises:
        ConfigError: it is of no database that can hold jobs.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:  # its text would show the password
        raise ConfigError(PLACE, "is no URL of a database") from error
    if parsed.drivername not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
        reason = "begins with neither sqlite+aiosqlite:// nor postgresql+asyncpg://"
        raise ConfigError(PLACE, reason)
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError(PLACE, "names no file; what is in memory alone does not last")
    return parsed


def sqlite_path(url: URL) -> Path | None:
    """The file, with the folder that it is in made; None where it is PostgreSQL.

    Raises:
        ConfigError: the folder cannot be made.
    """
    if url.get_backend_name() != "sqlite":
        return None
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_used(url, error) from error
    return path


def cannot_be_used(url: URL, error: Exception) -> ConfigError:
    """The same error for an operator, without the password."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if url.password:
        reason = reason.replace(str(url.password), "***")
    return ConfigError(PLACE, f"{url.render_as_string(hide_password=True)} fails: {reason}")


def engine_of(url: URL, *, for_migrating: bool = False) -> AsyncEngine:
    """Whoever migrates waits for others as long as it takes, and has one connection for itself.

    Raises:
        ConfigError: the driver is not installed.
    """
    options: dict[str, Any] = {"pool_pre_ping": True}
    if for_migrating:
        options = {"poolclass": NullPool}
    else:
        options |= {"pool_size": _NUM_CONNECTIONS, "pool_timeout": _POOL_TIMEOUT_S}
        options |= {"max_overflow": 0}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": _BUSY_TIMEOUT_S}
    else:
        options["connect_args"] = _postgres_arguments(for_migrating)
    try:
        engine = create_async_engine(url, **options)
    except ImportError as error:
        reason = 'PostgreSQL needs another package: pip install "chorus-speech[postgres]"'
        raise ConfigError(PLACE, reason) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _postgres_arguments(for_migrating: bool) -> dict[str, Any]:
    if for_migrating:
        return {"timeout": _CONNECT_TIMEOUT_S}
    settings = {
        "statement_timeout": _STATEMENT_TIMEOUT_S,
        "lock_timeout": _LOCK_TIMEOUT_S,
        "idle_in_transaction_session_timeout": _STATEMENT_TIMEOUT_S,
    }
    return {
        "timeout": _CONNECT_TIMEOUT_S,
        "command_timeout": _STATEMENT_TIMEOUT_S,  # of a database that does not answer at all
        "server_settings": {name: f"{limit_s:g}s" for name, limit_s in settings.items()},
    }


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


class Database:
    """A pool of connections to one database. Belongs to one event loop."""

    def __init__(self, url: URL) -> None:
        """
        Raises:
            ConfigError: the driver is not installed.
        """
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._engine = engine_of(url)
        if self.is_sqlite:
            self._reading = self._engine
            self._writing = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        else:
            self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")
            self._writing = self._engine
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """All statements see the same moment."""
        async with self._reading.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Committed at the end; where that ends with an error, nothing happened."""
        # SQLite's own waiting knows no order: among many, one could wait for ever.
        turn = self._turn if self.is_sqlite else nullcontext()
        async with turn, self._writing.begin() as connection:
            yield connection

    async def now_s(self, connection: AsyncConnection) -> float:
        """Seconds since 1970: of the clock that all who share this database go by."""
        if self.is_sqlite:
            return time.time()
        return float((await connection.execute(_POSTGRES_CLOCK)).scalar_one())

    async def lock(self, connection: AsyncConnection, name: str) -> None:
        """Until the transaction ends, nobody else has the lock of this name."""
        if not self.is_sqlite:  # there, the transaction has the whole database for itself
            statement = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
            await connection.execute(statement, {"name": name})
