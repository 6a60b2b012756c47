"""`client.jobs` and `chorus jobs`, over real sockets, with a real database and a scripted graph."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from serve_app.cli import main
from serve_app.client import Client, ServerError
from serve_app.client.errors import ConnectionLostError, UnreachableError, WaitTimeoutError
from serve_app.client.jobs import Jobs
from serve_app.jobs.fake import recording
from tests.jobs.office import Office, office

SAYING = recording("say", "hello out there", seconds=3.0)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A server in a thread of its own, which the commands find by themselves."""
    is_open, running = threading.Event(), []
    closing: list[Callable[[], object]] = []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with office(tmp_path / "office", max_attempts=1, tells_speakers=True) as opened:
            running.append(opened)
            closing.append(lambda: loop.call_soon_threadsafe(stop.set))
            is_open.set()
            await stop.wait()

    (tmp_path / "office").mkdir()
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert is_open.wait(20)
    monkeypatch.setenv("CHORUS_URL", f"http://127.0.0.1:{running[0].site.port}")
    yield running[0]
    closing[0]()
    thread.join(20)


@pytest.fixture
def client(opened: Office) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{opened.site.port}", sleep=lambda s: None) as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    def written(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return written


def test_a_job_goes_in_and_its_text_comes_out(client: Client) -> None:
    job = client.jobs.submit([SAYING], model="tiny", language="en")
    told: list[str] = []
    done = client.jobs.wait(job.id, told=lambda job: told.append(job.status))
    assert (done.status, done.progress, done.duration_s) == ("completed", 1.0, 3.0)
    assert told[-1] == "completed"
    assert client.jobs.transcript(job.id)["text"] == "hello out there"
    assert client.jobs.result(job.id, "srt").startswith("1\n00:00:00,000")
    assert [each.id for each in client.jobs.all()] == [job.id]
    client.jobs.delete(job.id)
    with pytest.raises(ServerError, match="no job"):
        client.jobs.get(job.id)


def test_who_waits_for_a_job_that_hangs_may_go_on_without_it(client: Client) -> None:
    job = client.jobs.submit([recording("hang")])
    with pytest.raises(WaitTimeoutError, match="goes on"):
        client.jobs.wait(job.id, timeout_s=0.1)
    assert client.jobs.cancel(job.id).status == "cancelled"
    assert client.jobs.wait(job.id).has_ended


def test_who_waits_outlives_the_server() -> None:
    answers: list[dict[str, object] | Exception] = [
        {"job_id": "j", "status": "processing"},
        UnreachableError("http://x", "refused"),
        ConnectionLostError("http://x", "reset"),
        {"job_id": "j", "status": "completed"},
    ]

    def exchange(*_: object, **__: object) -> httpx.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json=answer)

    assert Jobs(exchange, lambda s: None).wait("j").status == "completed"
    answers[:] = [UnreachableError("http://x", "there never was one")]
    with pytest.raises(UnreachableError):
        Jobs(exchange, lambda s: None).wait("j")


def test_the_same_idempotency_key_is_the_same_job(client: Client) -> None:
    one, two = (client.jobs.submit([SAYING], idempotency_key="k") for _ in range(2))
    other = client.jobs.submit([SAYING])
    assert one.id == two.id != other.id


def test_all_goes_through_every_page(client: Client) -> None:
    ids = [client.jobs.submit([SAYING]).id for _ in range(53)]
    assert [job.id for job in client.jobs.all()] == ids[::-1]


def test_the_command_hands_in_waits_and_prints(
    opened: Office, file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "submit", file("a.wav", SAYING), "--wait"]) == 0
    out, err = capsys.readouterr()
    assert out == "hello out there\n"
    assert "is completed" in err
    files = [file(f"{n}.wav", recording("say", f"text {n}")) for n in range(3)]
    assert main(["jobs", "submit", *files, "--priority", "3", "--wait"]) == 0
    assert capsys.readouterr().out == "0.wav: text 0\n1.wav: text 1\n2.wav: text 2\n"


def test_the_command_asks_for_all_that_a_job_can_be_asked(
    opened: Office, file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    submit = ["jobs", "submit", file("a.wav", SAYING), "--wait"]
    assert main([*submit, "--channel", "split", "--numbers"]) == 0
    assert capsys.readouterr().out == "[Channel 0] hello out there\n"
    assert main([*submit, "--speakers", "--format", "diarized_json"]) == 0
    assert json.loads(capsys.readouterr().out)["segments"][0]["speaker"] == "A"
    assert main([*submit, "--hotword", "Chorus"]) == 1
    assert "tiny takes no hot words" in capsys.readouterr().err
    assert main([*submit, "--profanity-filter"]) == 1
    assert "profanity_file" in capsys.readouterr().err


def test_each_action_does_what_it_says(
    opened: Office, file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "submit", file("a.wav", SAYING)]) == 0
    job = capsys.readouterr().out.strip()
    assert main(["jobs", "wait", job]) == 0
    assert "is completed" in capsys.readouterr().err
    assert main(["jobs", "result", job, "--format", "vtt"]) == 0
    assert capsys.readouterr().out.startswith("WEBVTT")
    assert main(["jobs", "list", "--status", "completed"]) == 0
    assert job in capsys.readouterr().out
    assert main(["jobs", "list", "--json", "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["job_id"] == job
    assert main(["jobs", "cancel", job]) == 1
    assert "has ended already" in capsys.readouterr().err
    assert main(["jobs", "delete", job]) == 0
    assert main(["jobs", "wait", job]) == 1


def test_a_job_that_fails_fails_the_command_and_says_why(
    opened: Office, file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "submit", file("b.wav", recording("bad")), "--wait"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "b.wav: the audio cannot be decoded: it is bad" in err


def test_a_file_that_is_not_there_is_told(
    opened: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "submit", "/nowhere/a.wav"]) == 1
    assert "/nowhere/a.wav: No such file" in capsys.readouterr().err
