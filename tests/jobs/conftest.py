import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from serve_app.jobs.store import JobStore
from tests.jobs import postgres


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[str]:
    """Of the socket of a server that runs as long as the tests."""
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.running() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/folder/jobs.sqlite3"
        return
    folder = request.getfixturevalue("postgres_folder")
    async with postgres.new_database(folder, uuid.uuid4().hex) as url:
        yield url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JobStore]:
    store = await JobStore.open(database_url, max_queued=100_000, max_attempts=3)
    yield store
    await store.close()
