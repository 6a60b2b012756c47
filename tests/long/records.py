"""What a database of jobs holds, read past the server; and a trigger that counts its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import create_async_engine

_FILES = """
    SELECT j.id AS job_id, j.status AS job_status, j.completed_at, j.idempotency_key,
           f.number, f.file_index, f.filename, f.status, f.transcript, f.num_attempts,
           f.audio_url, f.audio_bytes, f.rank, f.token
    FROM job_files f JOIN jobs j ON j.number = f.job_number ORDER BY f.number
"""
_DELIVERIES = """
    SELECT j.id AS job_id, d.id, d.delivered_at, d.due_at, d.num_attempts
    FROM job_deliveries d JOIN jobs j ON j.number = d.job_number
"""
_WATCH_SQLITE = (
    "CREATE TABLE recorded (file INTEGER, result TEXT)",
    """
    CREATE TRIGGER watch AFTER UPDATE OF transcript ON job_files WHEN NEW.transcript IS NOT NULL
    BEGIN INSERT INTO recorded VALUES (NEW.number, NEW.transcript); END
    """,
)
_WATCH_POSTGRES = (
    "CREATE TABLE recorded (file BIGINT, result TEXT)",
    """
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO recorded VALUES (NEW.number, NEW.transcript); RETURN NULL; END $$
    """,
    """
    CREATE TRIGGER watch AFTER UPDATE OF transcript ON job_files
    FOR EACH ROW WHEN (NEW.transcript IS NOT NULL) EXECUTE FUNCTION note()
    """,
)
AnyRow = Row[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Records:
    """All of it at one moment."""

    files: Sequence[AnyRow]
    deliveries: Sequence[AnyRow]
    recorded: Sequence[AnyRow]

    @property
    def statuses(self) -> dict[str, str]:
        """By job."""
        return {row.job_id: row.job_status for row in self.files}

    @property
    def transcripts(self) -> dict[int, str]:
        """By the number of the file, of those that are completed."""
        return {row.number: row.transcript for row in self.files if row.status == "completed"}


async def watch(url: str) -> None:
    """From now on, note each result that is recorded."""
    statements = _WATCH_SQLITE if url.startswith("sqlite") else _WATCH_POSTGRES
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def records(url: str) -> Records:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = [
            (await connection.execute(text(query))).all()
            for query in (_FILES, _DELIVERIES, "SELECT file, result FROM recorded")
        ]
    await engine.dispose()
    return Records(*found)
