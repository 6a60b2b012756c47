"""What a job has come to, in every format, as its client wished it."""

import threading
from pathlib import Path

import pytest

from serve_app.ingress.jobs import results
from serve_app.transcript import subtitles
from serve_app.transcript.types import Transcript
from tests.jobs.office import office, recording

SAYING = recording("say", "hello out there", seconds=3.0)


@pytest.mark.parametrize("response_format", ["verbose_json", "text", "srt", "vtt"])
async def test_a_result_comes_in_the_formats_of_the_other_wires(
    tmp_path: Path, response_format: str
) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(SAYING)
        await opened.until(job, "completed")
        params = {"response_format": response_format}
        response = await opened.http.get(f"/jobs/{job}/result", params=params)
        assert response.status_code == 200
        assert "hello out there" in response.text
        if response_format == "verbose_json":
            assert [word["word"] for word in response.json()["words"]] == ["hello", "out", "there"]


async def test_a_result_says_who_speaks_where_that_was_asked(tmp_path: Path) -> None:
    async with office(tmp_path, tells_speakers=True) as opened:
        job = await opened.accepted(SAYING, diarize="true")
        done = await opened.until(job, "completed")
        assert done["result"]["segments"][0]["speaker"] == "A"
        for response_format in ("json", "verbose_json", "diarized_json"):
            params = {"response_format": response_format}
            told = (await opened.http.get(f"/jobs/{job}/result", params=params)).json()
            assert [each["speaker"] for each in told["segments"]] == ["A"]
            assert told["filename"] == "0.wav"
        assert told["segments"][0]["type"] == "transcript.text.segment"
        text = await opened.http.get(f"/jobs/{job}/result?response_format=text")
        assert text.text == "[Speaker A] hello out there\n"


async def test_speakers_that_nobody_asked_for_are_not_made_up(tmp_path: Path) -> None:
    async with office(tmp_path, tells_speakers=True) as opened:
        job = await opened.accepted(SAYING)
        await opened.until(job, "completed")
        answer = await opened.http.get(f"/jobs/{job}/result?response_format=diarized_json")
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "response_format"
        assert "diarize" in answer.json()["error"]["message"]


async def test_segments_of_a_call_say_their_channel(tmp_path: Path) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(SAYING, channel="split")
        done = await opened.until(job, "completed")
        assert done["result"]["segments"][0]["channel"] == 0


async def test_a_result_of_hours_is_written_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(SAYING)
        await opened.until(job, "completed")
        threads: list[int] = []
        cut = subtitles.srt

        def srt(transcript: Transcript) -> str:
            threads.append(threading.get_ident())
            return cut(transcript)

        monkeypatch.setitem(results._TEXTS, "srt", (srt, "text/plain"))
        response = await opened.http.get(f"/jobs/{job}/result?response_format=srt")
        assert response.status_code == 200
        assert threading.get_ident() not in threads


@pytest.mark.parametrize("response_format", ["json", "verbose_json", "srt"])
async def test_words_that_are_made_up_are_marked(tmp_path: Path, response_format: str) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(SAYING)
        done = await opened.until(job, "completed")
        assert done["result"]["simulated"] is True
        params = {"response_format": response_format}
        response = await opened.http.get(f"/jobs/{job}/result", params=params)
        assert response.headers["x-chorus-simulated"] == "true"
        if response_format != "srt":
            assert response.json()["simulated"] is True
