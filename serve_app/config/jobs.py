"""Jobs: where they are kept, how many may wait, and for how long they are remembered."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, StrictBool

from serve_app.config.settings import Settings


class JobsConfig(Settings):
    """Transcription jobs that survive every process. Set, the server takes them."""

    database_url: Annotated[str, Field(min_length=1)] = "sqlite+aiosqlite:///.chorus/jobs.sqlite3"
    """SQLAlchemy's: `sqlite+aiosqlite:///PATH` (relative: from the project's root) for one node,
    `postgresql+asyncpg://USER@HOST/NAME` for a cluster. `CHORUS_DATABASE_URL` keeps a password out
    of the file."""
    audio_url: Annotated[str, Field(min_length=1)] = ".chorus/audio"
    """Where recordings lie until their job is forgotten: a folder (relative: from the project's
    root), or whatever fsspec knows, e.g. `s3://bucket/prefix`. All nodes must reach it."""
    max_upload_bytes: PositiveInt = 4 * 1024**3
    """Of one recording of a job; requests have `limits.max_upload_bytes`."""
    max_files: PositiveInt = 100
    """Recordings in one job."""
    upload_timeout_s: PositiveFloat = 3600.0
    """For all recordings of one job to arrive."""
    max_stored_bytes: PositiveInt = 64 * 1024**3
    """Of all recordings that are kept; beyond it, new jobs hear "at capacity"."""
    max_queued: PositiveInt = 100_000
    """Recordings that may wait; beyond it, new jobs hear "at capacity"."""
    max_audio_s: PositiveFloat = 12 * 3600.0
    """Of one recording; requests have `limits.max_audio_s`."""
    file_timeout_s: PositiveFloat = 6 * 3600.0
    """For one attempt at one recording, from when it has had its turn."""
    max_concurrent: PositiveInt = 2
    """Recordings that one replica of `Jobs` has under way, so that jobs leave room for requests."""
    poll_s: PositiveFloat = 0.5
    """How often a worker asks for more and renews what it holds; a cancelled job stops within
    about so long."""
    lease_s: PositiveFloat = 30.0
    """A worker that has not renewed its lease for so long is taken for dead."""
    max_attempts: PositiveInt = 3
    """How often a recording is begun before it has failed."""
    retry_s: PositiveFloat = 5.0
    """Before the second attempt at what failed for a reason that may pass; then doubled."""
    time_to_live_s: PositiveFloat = 7 * 86_400.0
    """From its end on, a job's results and audio are kept for so long, unless its client asks for
    less."""
    keep_audio: StrictBool = False
    """Whether audio is kept as long as the results; if not, it goes when its job has ended."""
    callback_timeout_s: PositiveFloat = 10.0
    """For one try to deliver a callback."""
    max_callback_attempts: PositiveInt = 12
    """With pauses from a second, doubling, up to an hour."""
    callbacks_to_private_addresses: StrictBool = False
    """Whether callbacks may go to addresses that are not public, such as this machine's own."""
    callback_secret_file: Annotated[str, Field(min_length=1)] | None = None
    """What callbacks are signed with, a line `whsec_…`; otherwise `CHORUS_CALLBACK_SECRET`. Without
    either, jobs with a callback are refused."""
