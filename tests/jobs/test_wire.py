"""Jobs on the wire: handed in, asked for, stopped and forgotten, as clients of them do."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.office import office, recording

SAYING = recording("say", "hello out there", seconds=3.0)


async def test_a_job_is_taken_worked_on_and_its_result_is_that_of_transcribe(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as opened:
        response = await opened.submit(SAYING, model="tiny", language="en")
        assert response.status_code == 202
        told = response.json()
        assert told["status"] == "pending"
        assert told["message"]
        done = await opened.until(told["job_id"], "completed")
        assert done["progress"] == 1
        assert (done["processed_s"], done["duration_s"]) == (3.0, 3.0)
        assert done["filename"] == "0.wav"
        assert done["created_at"] <= done["completed_at"] < done["expires_at"]
        assert done["error"] is None
        result = (await opened.http.get(f"/jobs/{told['job_id']}/result")).json()
        assert done["result"] == result
        assert result["text"] == "hello out there"
        assert result["segments"] == [{"start": 0.0, "end": 3.0, "text": "hello out there"}]
        assert result["filename"] == "0.wav"
        assert result["timestamp"]


async def test_a_job_of_several_recordings_tells_of_each(tmp_path: Path) -> None:
    async with office(tmp_path) as opened:
        parts = [recording("say", f"number {n}") for n in range(5)]
        job = await opened.accepted(*parts[:2], recording("bad"), *parts[2:])
        done = await opened.until(job, "failed")
        assert [each["status"] for each in done["files"]].count("failed") == 1
        assert done["files"][2]["error_code"] == "undecodable_audio"
        assert "it is bad" in done["error"]
        results = (await opened.http.get(f"/jobs/{job}/result")).json()["results"]
        assert [each.get("text") for each in results] == [
            "number 0",
            "number 1",
            None,
            "number 2",
            "number 3",
            "number 4",
        ]
        assert "it is bad" in results[2]["error"]


async def test_what_is_not_finished_failed_or_unknown_is_told_as_such(tmp_path: Path) -> None:
    async with office(tmp_path, max_attempts=2) as opened:
        hanging = await opened.accepted(recording("hang"))
        await opened.until(hanging, "processing")
        assert (await opened.http.get(f"/jobs/{hanging}/result")).status_code == 400
        broken = await opened.accepted(recording("break"))
        told = await opened.until(broken, "failed")
        assert told["files"][0]["num_attempts"] == 2
        assert told["files"][0]["error_code"] == "engine_failed"
        response = await opened.http.get(f"/jobs/{broken}/result")
        assert response.status_code == 500
        assert "broken" in response.json()["detail"]
        for method, path in (
            ("GET", "/jobs/job_x/status"),
            ("GET", "/jobs/job_x/result"),
            ("POST", "/jobs/job_x/cancel"),
            ("DELETE", "/jobs/job_x"),
        ):
            assert (await opened.http.request(method, path)).status_code == 404


async def test_cancelling_stops_the_work_and_is_told(tmp_path: Path) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(recording("hang"))
        await opened.until(job, "processing")
        await opened.graph.has_begun.wait()
        response = await opened.http.post(f"/jobs/{job}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
        assert response.json()["message"]
        async with asyncio.timeout(5):
            await opened.graph.abandoned.wait()
        again = await opened.http.post(f"/jobs/{job}/cancel")
        assert (again.status_code, again.json()["error"]["code"]) == (400, "job_ended")
        assert (await opened.http.get(f"/jobs/{job}/result")).status_code == 400


async def test_a_forgotten_job_leaves_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, keep_audio=True) as opened:
        job = await opened.accepted(SAYING, SAYING)
        await opened.until(job, "completed")
        assert opened.num_stored == 2
        assert (await opened.http.delete(f"/jobs/{job}")).status_code == 200
        assert opened.num_stored == 0
        assert (await opened.http.get(f"/jobs/{job}/status")).status_code == 404


async def test_pages_cover_all_jobs_of_a_status_the_newest_first(tmp_path: Path) -> None:
    async with office(tmp_path, works=False) as opened:
        ids = [await opened.accepted(SAYING) for _ in range(25)]
        await opened.http.post(f"/jobs/{ids[3]}/cancel")
        found: list[str] = []
        params: dict[str, Any] = {"limit": 7, "status": "pending"}
        while True:
            page = (await opened.http.get("/jobs", params=params)).json()
            found += [job["job_id"] for job in page["jobs"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert found == [each for each in reversed(ids) if each != ids[3]]
        for wrong in (
            *({"limit": 0}, {"limit": 5000}, {"limit": "x"}, {"limit": "²"}, {"limit": [1, 2]}),
            *({"status": "lost"}, {"cursor": "x"}),
        ):
            response = await opened.http.get("/jobs", params=wrong)
            assert response.status_code == 400
            assert response.json()["error"]["param"] in wrong


async def test_who_asks_what_this_is_hears_of_jobs(tmp_path: Path) -> None:
    async with office(tmp_path, works=False) as opened:
        endpoints = (await opened.http.get("/")).json()["endpoints"]
        assert endpoints["submit"] == "POST /transcribe/async"
        assert endpoints["jobs"] == "GET /jobs"


async def test_the_document_knows_what_is_asked_of_jobs_and_how_it_is_refused(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, works=False) as opened:
        paths = (await opened.http.get("/openapi.json")).json()["paths"]
        of_jobs = [
            method
            for path, methods in paths.items()
            if path.startswith(("/jobs", "/transcribe/async"))
            for method in methods.values()
        ]
        assert len(of_jobs) == 6
        assert not any("422" in method["responses"] for method in of_jobs)
        page, result = paths["/jobs"]["get"], paths["/jobs/{id}/result"]["get"]
        assert "400" in page["responses"]
        assert [each["name"] for each in page["parameters"]] == ["limit", "cursor", "status"]
        assert {each["name"] for each in result["parameters"]} == {
            *("id", "response_format", "include_timestamps")
        }
        assert {"text/plain", "text/vtt"} < set(result["responses"]["200"]["content"])


async def test_the_same_key_is_the_same_job_whatever_comes_at_once(tmp_path: Path) -> None:
    async with office(tmp_path, works=False) as opened:
        answers = await asyncio.gather(
            *(opened.submit(SAYING, idempotency_key="k") for _ in range(8))
        )
        assert {each.status_code for each in answers} == {202}
        assert len({each.json()["job_id"] for each in answers}) == 1
        assert opened.num_stored == 1
        other = await opened.submit(recording("say", "something else"), idempotency_key="k")
        assert other.status_code == 409
        assert opened.num_stored == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"priority": "high"}, "priority"),
        ({"priority": "101"}, "priority"),
        ({"time_to_live_s": "0"}, "time_to_live_s"),
        ({"time_to_live_s": "1e12"}, "time_to_live_s"),
        ({"time_to_live_s": "nan"}, "time_to_live_s"),
        ({"callback_url": "https://example.org/done"}, "callback_url"),
        ({"idempotency_key": "k" * 300}, "idempotency_key"),
        ({"model": "nobody"}, "model"),
        ({"channel": "left"}, "channel"),
        ({"unheard": "of"}, "unheard"),
        ({"diarize": "true"}, "diarize"),
    ],
)
async def test_a_wrong_field_is_refused_and_nothing_is_kept(
    tmp_path: Path, fields: dict[str, str], param: str
) -> None:
    async with office(tmp_path, works=False) as opened:
        response = await opened.submit(SAYING, **fields)
        assert 400 <= response.status_code < 500
        assert response.json()["error"]["param"] == param
        assert opened.num_stored == 0
        assert (await opened.http.get("/jobs")).json()["jobs"] == []
