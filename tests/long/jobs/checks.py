"""A database, and what a client was told, in; that nothing was lost or done twice, out."""

import json
from collections import Counter
from pathlib import Path

from tests.graph.conftest import eventually
from tests.long.jobs.client import BAD, ENDED, Client, Order
from tests.long.jobs.records import Records

MAX_ATTEMPTS = 3


def check_kept(before: Records, now: Records) -> None:
    """What had ended is as it was."""
    assert set(before.statuses) <= set(now.statuses)
    for job, status in before.statuses.items():
        assert status not in ENDED or now.statuses[job] == status
    ended_at = {row.job_id: row.completed_at for row in now.files}
    for row in before.files:
        assert row.completed_at is None or ended_at[row.job_id] == row.completed_at
    for number, transcript in before.transcripts.items():
        assert now.transcripts[number] == transcript
    ids = {row.job_id: row.id for row in now.deliveries}
    for row in before.deliveries:
        assert ids[row.job_id] == row.id


def check_results(client: Client, over: Records) -> None:
    """One for each file that is completed; each order is one job, and there are no others."""
    assert {order.job_id for order in client.orders} == set(over.statuses)
    assert len({order.job_id for order in client.orders}) == len(client.orders)
    assert all(status in ENDED for status in over.statuses.values())
    noted = Counter(row.file for row in over.recorded)
    assert dict(noted) == dict.fromkeys(over.transcripts, 1)
    assert {row.file: row.result for row in over.recorded} == over.transcripts
    expected = {order.job_id: expected_statuses(order, client) for order in client.orders}
    for job, status in over.statuses.items():
        assert status in expected[job], job
    for row in over.files:
        assert row.num_attempts <= MAX_ATTEMPTS
        assert row.num_attempts >= 1 or row.status == "cancelled"
        assert (row.rank, row.token) == (None, None)
    print("attempts:", dict(sorted(Counter(row.num_attempts for row in over.files).items())))


def expected_statuses(order: Order, client: Client) -> set[str]:
    if order.job_id in client.ended:
        return {client.ended[order.job_id]}
    if order.job_id in client.to_cancel:
        return {"cancelled", "completed"}
    return {"failed"} if BAD in order.recordings else {"completed"}


def check_callbacks(client: Client, over: Records) -> None:
    """At least one for each job that wants one, all with its id, all of its end."""
    wanting = {order.job_id for order in client.orders if order.callback is not None}
    ids = {row.job_id: row.id for row in over.deliveries}
    assert set(ids) == wanting
    assert set(client.receiver.ids) == wanting
    assert client.receiver.accepted == wanting
    for job, taken in client.receiver.ids.items():
        assert set(taken) == {ids[job]}
        assert client.receiver.statuses[job] == {over.statuses[job]}
    for row in over.deliveries:
        assert row.delivered_at is not None
        assert row.num_attempts >= 1
    again = Counter(len(taken) for taken in client.receiver.ids.values())
    print("times that a callback came:", dict(sorted(again.items())))


def check_audio(over: Records, folder: Path, *, num_interrupted: int) -> None:
    """No job has any. What is left is of uploads that the kills cut off, the one that stood still
    and the one that was just sent: it is swept when it is a day old."""
    of_jobs = {Path(row.audio_url.removeprefix("file://")) for row in over.files}
    eventually(lambda: of_jobs.isdisjoint(folder.iterdir()))
    left = [each.suffix for each in folder.iterdir()]
    print("recordings left of uploads that were cut off:", Counter(left))
    assert len(left) <= 3 * num_interrupted


async def check_texts(client: Client, over: Records) -> None:
    """Each is what a request with the same recording is answered."""
    said: dict[bytes, str] = {}
    of_job = {order.job_id: order for order in client.orders}
    for row in over.files:
        if row.status != "completed":
            continue
        recording = of_job[row.job_id].recordings[row.file_index]
        if recording not in said:
            response = await client.http.post(
                "/transcribe", files={"file": ("a.wav", recording)}, data={"language": "en"}
            )
            response.raise_for_status()
            said[recording] = str(response.json()["text"])
        segments = json.loads(row.transcript)["segments"]
        assert " ".join(each["text"] for each in segments) == said[recording]
