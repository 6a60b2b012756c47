"""Any database comes to the shape of `store.tables`, or is refused with a reason."""

import asyncio
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from serve_app.errors import ConfigError
from serve_app.jobs.database import checked_url, engine_of
from serve_app.jobs.migrations import VERSION_TABLE
from serve_app.jobs.store import JobStore
from serve_app.jobs.store.tables import metadata
from tests.jobs import postgres
from tests.jobs.jobs_to_do import new_job


async def opened(url: str) -> JobStore:
    return await JobStore.open(url, max_queued=100, max_attempts=3)


async def execute(url: str, statement: str) -> None:
    engine = engine_of(checked_url(url), for_migrating=True)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_migrations_lead_to_the_tables_as_they_are_declared(database_url: str) -> None:
    await (await opened(database_url)).close()

    def differences(connection: Connection) -> object:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    engine = engine_of(checked_url(database_url), for_migrating=True)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        await connection.execute(text("DROP INDEX job_files_queue"))
        assert await connection.run_sync(differences) != []
    await engine.dispose()


async def test_what_was_handed_in_is_there_after_a_restart(database_url: str) -> None:
    before = await opened(database_url)
    job, _ = await before.submit(new_job())
    await before.close()
    after = await opened(database_url)
    assert await after.find(job.id, None) == job
    await after.close()


async def test_stores_that_open_at_once_wait_for_one_another(database_url: str) -> None:
    stores = await asyncio.gather(*(opened(database_url) for _ in range(8)))
    await asyncio.gather(*(store.submit(new_job()) for store in stores))
    assert len((await stores[0].page(None)).jobs) == 8
    for store in stores:
        await store.close()


async def test_tables_of_a_later_version_are_refused(database_url: str) -> None:
    await (await opened(database_url)).close()
    await execute(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(ConfigError, match="later version of this server: 9999") as raised:
        await opened(database_url)
    assert raised.value.place == "jobs.database_url"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("jobs.sqlite3", "no URL"),
        ("mysql://a/b", "neither"),
        ("sqlite:///a", "neither"),
        ("sqlite+aiosqlite://", "no file"),
        ("sqlite+aiosqlite:///:memory:", "no file"),
        ("sqlite+aiosqlite:////dev/null/jobs.sqlite3", "fails"),
        ("sqlite+aiosqlite:////proc/jobs.sqlite3", "fails"),
    ],
)
async def test_what_is_no_database_for_jobs_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        await opened(url)
    assert raised.value.place == "jobs.database_url"


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"RIFF" * 1000)
    with pytest.raises(ConfigError, match="file is not a database"):
        await opened(f"sqlite+aiosqlite:///{path}")


async def test_a_relative_path_is_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await (await opened("sqlite+aiosqlite:///a/b/jobs.sqlite3")).close()
    assert (tmp_path / "a" / "b" / "jobs.sqlite3").exists()


async def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    store = await opened(f"sqlite+aiosqlite:///{tmp_path}/jobs.sqlite3")
    await store.submit(new_job())
    modes = await asyncio.to_thread(
        lambda: {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    )
    await store.close()
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


async def test_a_server_that_is_not_there_is_refused_without_its_password(
    postgres_folder: str, tmp_path: Path
) -> None:
    for url in (
        postgres.url(postgres_folder, "none_such"),
        postgres.url(str(tmp_path)),
        "postgresql+asyncpg://me:secret@127.0.0.1:1/jobs",
    ):
        with pytest.raises(ConfigError) as raised:
            await opened(url)
        assert raised.value.place == "jobs.database_url"
        assert "secret" not in str(raised.value)
