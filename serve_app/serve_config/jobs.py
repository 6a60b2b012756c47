"""The settings of jobs, in; what is wrong with them and with the files they name, out.

Nothing is opened but the secret: databases may be reached from the cluster alone.
"""

from collections.abc import Iterator

from serve_app.config import JobsConfig
from serve_app.errors import ConfigError
from serve_app.jobs.database import checked_url
from serve_app.jobs.opening import SECRET_VARIABLE, callbacks_of

JOBS = "Jobs"


def check_jobs(jobs: JobsConfig | None, place: str) -> Iterator[ConfigError]:
    if jobs is None:
        return
    try:
        checked_url(jobs.database_url)
    except ConfigError as error:
        yield ConfigError(f"{place}.database_url", error.reason)
    try:
        callbacks_of(jobs)
    except ConfigError as error:
        here = f"{place}.callback_secret_file" if jobs.callback_secret_file else SECRET_VARIABLE
        yield ConfigError(here, error.reason)
    if jobs.lease_s < _LEAST_POLLS * jobs.poll_s:
        reason = f"must be {_LEAST_POLLS} times poll_s at the least, or leases run out at work"
        yield ConfigError(f"{place}.lease_s", reason)


_LEAST_POLLS = 4
