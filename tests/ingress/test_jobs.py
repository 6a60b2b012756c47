"""The ingress without jobs, and without the database that they are in."""

from pathlib import Path
from typing import Any


async def test_a_database_that_is_down_is_a_503_and_the_rest_goes_on(
    tmp_path: Path, open_server: Any
) -> None:
    url = "postgresql+asyncpg://nobody@127.0.0.1:9/none"
    site = await open_server(jobs={"database_url": url, "audio_url": str(tmp_path / "audio")})
    for request in (site.http.get("/jobs"), site.post("/transcribe/async")):
        response = await request
        assert (response.status_code, response.json()["error"]["code"]) == (503, "jobs_unavailable")
        assert "retry-after" in response.headers
    assert (await site.http.get("/health")).status_code == 200


async def test_without_jobs_there_are_no_such_routes(open_server: Any) -> None:
    site = await open_server()
    for path in ("/jobs", "/transcribe/async"):
        response = await site.http.request("POST" if "async" in path else "GET", path)
        assert response.status_code == 404
