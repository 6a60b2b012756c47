"""A process of its own that works on jobs, and says each step when it was told that it is done.

python -m tests.jobs.working_process URL lease    takes a file, and holds it
python -m tests.jobs.working_process URL work     hands in, takes and completes for ever
python -m tests.jobs.working_process URL open     opens the store, and is done
python -m tests.jobs.working_process URL ids      says which jobs there are, and is done
"""

import asyncio
import sys

from serve_app.jobs.store import JobStore
from tests.jobs.jobs_to_do import HELLO, LONG_S, new_job

LEASE_S = 0.2


async def main(url: str, what: str) -> None:
    store = await JobStore.open(url, max_queued=10_000, max_attempts=100)
    if what != "ids":
        print("opened", flush=True)
    if what == "lease":
        for lease in await store.lease("child", most=1, lease_s=LEASE_S):
            print("leased", lease.token, flush=True)
        await asyncio.Event().wait()
    if what == "ids":
        print(*(job.id for job in (await store.page(None, limit=1000)).jobs), flush=True)
    while what == "work":
        job, _ = await store.submit(new_job(2, callback_url="https://a.example"))
        print("submitted", job.id, flush=True)
        for lease in await store.lease("child", most=2, lease_s=LONG_S):
            assert await store.complete(lease, HELLO)
            print("completed", lease.job_id, lease.file_index, flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
