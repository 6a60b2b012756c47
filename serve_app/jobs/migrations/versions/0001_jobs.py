"""Jobs, their files, and the callbacks of those that have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _create_jobs()
    _create_files()
    _create_deliveries()


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("completed_at", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.Column("audio_unused_since", sa.Double),
        sa.Column("time_to_live_s", sa.Double, nullable=False),
        sa.Column("callback_url", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="jobs_id"),
        sa.UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_of_owner", "jobs", ["owner", "number"])
    op.create_index("jobs_of_owner_by_status", "jobs", ["owner", "status", "number"])
    op.create_index("jobs_by_status", "jobs", ["status", "number"])
    op.create_index("jobs_to_expire", "jobs", ["expires_at"])
    op.create_index("jobs_with_unused_audio", "jobs", ["audio_unused_since"])


def _create_files() -> None:
    op.create_table(
        "job_files",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("job_number", _NUMBER, nullable=False),
        sa.Column("file_index", sa.Integer, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("audio_url", sa.Text, nullable=False),
        sa.Column("audio_bytes", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("done_s", sa.Double, nullable=False),
        sa.Column("total_s", sa.Double, nullable=False),
        sa.Column("num_attempts", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("rank", sa.Integer),
        sa.Column("due_at", sa.Double),
        sa.Column("token", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("transcript", sa.Text),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], ondelete="CASCADE"),
        sa.UniqueConstraint("job_number", "file_index", name="job_files_of_job"),
        sa.UniqueConstraint("token", name="job_files_token"),
        sqlite_autoincrement=True,
    )
    op.create_index("job_files_by_status", "job_files", ["status", "audio_bytes"])
    op.create_index("job_files_due", "job_files", ["due_at"])
    op.create_index(
        "job_files_queue",
        "job_files",
        ["rank", "number"],
        postgresql_where=sa.text("rank IS NOT NULL"),
        sqlite_where=sa.text("rank IS NOT NULL"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "job_deliveries",
        sa.Column("job_number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("num_attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("token", sa.Text),
        sa.Column("worker", sa.Text),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], ondelete="CASCADE"),
        sa.UniqueConstraint("id", name="job_deliveries_id"),
        sa.UniqueConstraint("token", name="job_deliveries_token"),
    )
    op.create_index("job_deliveries_due", "job_deliveries", ["due_at"])
