"""The tables, as the newest migration leaves them. All times are seconds since 1970, UTC."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only its INTEGER counts up by itself

jobs = Table(
    "jobs",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    # In the order in which jobs were accepted; never used twice.
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    # Empty: of nobody. Not NULL, which is unlike itself in the unique constraint below.
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("completed_at", Double),
    Column("expires_at", Double),
    Column("audio_unused_since", Double),
    # NULL until it has ended, and again once its audio was taken away.
    Column("time_to_live_s", Double, nullable=False),
    Column("callback_url", Text),
    Column("idempotency_key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("request", Text, nullable=False),
    UniqueConstraint("id", name="jobs_id"),
    UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency_key"),
    Index("jobs_of_owner", "owner", "number"),
    Index("jobs_of_owner_by_status", "owner", "status", "number"),
    Index("jobs_by_status", "status", "number"),
    Index("jobs_to_expire", "expires_at"),
    Index("jobs_with_unused_audio", "audio_unused_since"),
    sqlite_autoincrement=True,
)

files = Table(
    "job_files",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    # Ascends with the job's number, then with `file_index`. Whoever locks several locks them in
    # this order, and locks jobs after files: then nobody waits in a circle.
    Column("job_number", _NUMBER, ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Column("file_index", Integer, nullable=False),
    Column("filename", Text, nullable=False),
    Column("audio_url", Text, nullable=False),
    Column("audio_bytes", BigInteger),
    # NULL once the audio is gone.
    Column("status", Text, nullable=False),
    Column("done_s", Double, nullable=False),
    Column("total_s", Double, nullable=False),
    Column("num_attempts", Integer, nullable=False),
    Column("error_code", Text),
    Column("error", Text),
    Column("rank", Integer),
    # Minus the job's priority while a worker may take it, NULL otherwise: the queue is the index.
    Column("due_at", Double),
    # When its lease runs out, or when it goes back into the queue; NULL if neither.
    Column("token", Text),
    Column("worker", Text),
    Column("transcript", Text),
    UniqueConstraint("job_number", "file_index", name="job_files_of_job"),
    UniqueConstraint("token", name="job_files_token"),
    Index("job_files_by_status", "status", "audio_bytes"),
    Index("job_files_due", "due_at"),
    sqlite_autoincrement=True,
)
Index(
    "job_files_queue",
    files.c.rank,
    files.c.number,
    postgresql_where=files.c.rank.is_not(None),
    sqlite_where=files.c.rank.is_not(None),
)

deliveries = Table(
    "job_deliveries",
    metadata,
    Column(
        "job_number",
        _NUMBER,
        ForeignKey("jobs.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("id", Text, nullable=False),
    Column("num_attempts", Integer, nullable=False),
    Column("due_at", Double),
    # NULL when it was delivered, or given up.
    Column("delivered_at", Double),
    Column("error", Text),
    Column("token", Text),
    Column("worker", Text),
    UniqueConstraint("id", name="job_deliveries_id"),
    UniqueConstraint("token", name="job_deliveries_token"),
    Index("job_deliveries_due", "due_at"),
)
