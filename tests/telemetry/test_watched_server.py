"""One server with everything that watches it: spans from the client to the model, lines of logs
without a word that was said, and every query of the dashboards on a real Prometheus."""

import asyncio
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from loadtest.watch.answers import Answers, ask
from loadtest.watch.callers import SPOKEN, Load, pcm_of
from loadtest.watch.questions import RULES
from loadtest.watch.server import KEY, ROOT, Server, WatchError, program, prometheus, watched_server
from tests.telemetry.collector import Collector, Received, collecting

UPLOAD = ROOT / "tiny/samples/digits-8.wav"
NUMBER = ROOT / "tiny/samples/digits-4.ogg"
PHRASE = ROOT / "tiny/samples/canary/en-1.wav"
SECRET_NAME = "diagnosis-of-mr-quimby.wav"
LOG = re.compile(r"\.(log|out|err|jsonl)(\.\d+)?$")
"""Those that were full have a number."""
WORDS_IN_A_ROW = 3
"""Single ones Ray's own logs may have, too."""
MAX_ROUNDS = 20
NEEDS_FAULTS = ("chunk_retries", "slots_moved", "scaling_changes", "decoder_losses", 'code=~"5..')
"""Nothing dies here, and nothing scales: `make watch` kills for these."""


def traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


@dataclass(frozen=True)
class Watched:
    server: Server
    collector: Collector

    def post(self, path: Path, trace: int, **fields: str) -> httpx.Response:
        answer = httpx.post(
            f"{self.server.url}/v1/audio/transcriptions",
            files={"file": (SECRET_NAME, path.read_bytes())},
            data=fields,
            headers={"Authorization": f"Bearer {KEY}", "traceparent": traceparent(trace)},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer

    def trace(self, number: int, *names: str) -> dict[str, Received]:
        """The spans of one trace by name, once all these are there, and what they hang on."""
        found: dict[str, Received] = {}

        def is_whole(spans: list[Received]) -> bool:
            ours = [span for span in spans if span.trace_id == f"{number:032x}"]
            found.update({span.name: span for span in ours})
            ids = {span.span_id for span in ours} | {f"{number:016x}"}
            return {*names} <= found.keys() and {span.parent_id for span in ours} <= ids

        self.collector.until(is_whole)
        return found


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    folder = Path(tempfile.mkdtemp(prefix="chorus-"))  # a short name: sockets lie in it
    try:
        with collecting() as collector:
            environ = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=tests",
                "OTEL_SERVICE_NAME": "speech",
                "OTEL_TRACES_SAMPLER": "parentbased_always_off",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
            with watched_server(folder, environ) as server:
                yield Watched(server, collector)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_an_upload_is_one_trace_from_its_client_to_the_model(watched: Watched) -> None:
    watched.post(UPLOAD, 0xA1)
    request = "POST /v1/audio/transcriptions"
    spans = watched.trace(0xA1, request, "transcribe", "decode", "chunk", "queue", "model", "merge")
    where = {name: span.deployment for name, span in spans.items()}
    assert where[request] == "Ingress"
    assert {where[name] for name in ("transcribe", "decode", "chunk", "merge")} == {"Preprocessor"}
    assert {where[name] for name in ("queue", "model")} == {"parakeet-tiny"}
    assert {span.service for span in spans.values()} == {"speech"}
    assert spans[request].parent_id == f"{0xA1:016x}"
    assert spans["transcribe"].parent_id == spans[request].span_id
    assert spans["chunk"].parent_id == spans["transcribe"].span_id
    assert spans["model"].parent_id == spans["chunk"].span_id
    assert spans[request].attributes["http.response.status_code"] == 200
    assert spans["transcribe"].attributes["chorus.audio_s"] > 1
    for name, span in spans.items():
        assert spans[request].start_ns <= span.start_ns <= span.end_ns, name
    assert spans["queue"].end_ns == spans["model"].start_ns
    assert {"x-tenant": "tests"}.items() <= {
        name.lower(): value for name, value in watched.collector.headers[0].items()
    }.items()


def test_a_batch_of_many_requests_is_linked_to_each(watched: Watched) -> None:
    """Eight at once, again, until a batch has taken two of them."""
    models: dict[int, Received] = {}
    for first in range(0xB00, 0xB00 + 8 * MAX_ROUNDS, 8):
        numbers = range(first, first + 8)
        with ThreadPoolExecutor(len(numbers)) as clients:
            list(clients.map(lambda number: watched.post(UPLOAD, number), numbers))
        models = {number: watched.trace(number, "model")["model"] for number in numbers}
        if len({model.links for model in models.values()}) < len(models):
            break
    batches = {
        span.span_id: span
        for span in watched.collector.until(
            lambda spans: (
                {model.links[0][1] for model in models.values()} <= {each.span_id for each in spans}
            )
        )
        if span.name == "batch"
    }
    for number, model in models.items():
        batch = batches[model.links[0][1]]
        assert f"{number:032x}" in {trace for trace, _ in batch.links}
        assert batch.trace_id not in {f"{each:032x}" for each in models}
        assert batch.start_ns == model.start_ns
    assert len({model.links for model in models.values()}) < len(models)


def test_who_asks_for_no_trace_gets_none(watched: Watched) -> None:
    before = len(watched.collector.spans)
    httpx.post(
        f"{watched.server.url}/v1/audio/transcriptions",
        files={"file": UPLOAD.read_bytes()},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    watched.post(UPLOAD, 0xA2)
    watched.trace(0xA2, "POST /v1/audio/transcriptions", "model")
    traces = {span.trace_id for span in watched.collector.spans[before:] if span.name != "batch"}
    assert traces == {f"{0xA2:032x}"}


def test_a_live_stream_is_one_trace_from_its_client_to_the_models_steps(watched: Watched) -> None:
    async def stream() -> None:
        headers = {"Authorization": f"Bearer {KEY}", "traceparent": traceparent(0xC1)}
        url = watched.server.url.replace("http", "ws") + "/asr?language=en"
        async with connect(url, additional_headers=headers) as socket:
            await socket.send(pcm_of(SPOKEN))
            await socket.send(b"")
            async for _ in socket:
                pass

    asyncio.run(stream())
    spans = watched.trace(0xC1, "GET /asr", "slot", "segment", "slowest step")
    assert spans["GET /asr"].parent_id == f"{0xC1:016x}"
    assert spans["GET /asr"].attributes["chorus.close_code"] == 1000
    assert spans["segment"].parent_id == spans["GET /asr"].span_id
    assert spans["segment"].deployment == "parakeet-streaming-tiny"
    assert spans["segment"].attributes["chorus.steps"] > 3
    assert spans["slot"].deployment == "Ingress"


def test_every_query_of_the_dashboards_finds_what_it_asks_for(watched: Watched) -> None:
    try:
        program("prometheus")
    except WatchError as error:
        pytest.skip(str(error))
    with prometheus(watched.server, RULES) as asked:
        start = time.time()
        Load(watched.server).run(10.0, kills=False)
        give_up_at = time.time() + 30.0
        while missing(answers := ask(asked, start, time.time())) and time.time() < give_up_at:
            pass  # each asking takes its time
        assert missing(answers) == []
        assert {rule["health"] for rule in asked.rules()} == {"ok"}


def missing(answers: Answers) -> list[str]:
    return [each for each in answers.empty if not any(name in each for name in NEEDS_FAULTS)]


def test_nothing_tells_what_was_said_or_the_name_of_a_recording(watched: Watched) -> None:
    """No log, and no span."""
    said = [watched.post(NUMBER, 0xD1), watched.post(PHRASE, 0xD2, model="canary")]
    secrets = {SECRET_NAME, "quimby"}
    for each in said:
        words = words_of(each.json()["text"])
        assert len(words) >= WORDS_IN_A_ROW
        secrets |= {
            f" {' '.join(words[at : at + WORDS_IN_A_ROW])} "
            for at in range(len(words) - WORDS_IN_A_ROW + 1)
        }
    httpx.post(  # one that fails is logged, too
        f"{watched.server.url}/v1/audio/transcriptions",
        files={"file": (SECRET_NAME, b"RIFF" + bytes(100))},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    for number in (0xD1, 0xD2):
        watched.trace(number, "POST /v1/audio/transcriptions", "merge")
    told = dict(logs_of(watched.server))
    assert any("Ingress" in path.name for path in told)
    assert watched.server.folder / "log" in told
    for where, text in (*told.items(), ("spans", str(watched.collector.spans))):
        searched = f"{text.lower()} {' '.join(words_of(text))} "
        assert not {each for each in secrets if each in searched}, where


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def logs_of(server: Server) -> Iterator[tuple[Path, str]]:
    """All that the server and its processes have written; sockets lie beside it, and what was full
    is moved while one reads."""
    in_ray = (path for path in (server.folder / "ray").rglob("*") if LOG.search(path.name))
    for path in (server.folder / "log", *in_ray):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.read_text(errors="replace")


async def test_log_lines_of_a_request_name_its_trace(watched: Watched) -> None:
    """The last here, since it stops replicas: a stream that has been heard has a slot, and loses
    it where audio is owed a text that never comes."""
    headers = {"Authorization": f"Bearer {KEY}", "traceparent": traceparent(0xE1)}
    url = watched.server.url.replace("http", "ws") + "/asr?language=en"
    replicas = []
    try:
        async with connect(url, additional_headers=headers) as socket, asyncio.timeout(120):
            await socket.send(pcm_of(SPOKEN))
            while not json.loads(await socket.recv()).get("full_text"):
                pass
            replicas = watched.server.processes_of("ServeReplica:chorus:parakeet-streaming-tiny")
            for each in replicas:
                each.suspend()
            await socket.send(pcm_of(SPOKEN))
            lines = await until_said("lost its slot", watched.server, 0xE1)
    finally:
        for each in replicas:
            each.kill()
    assert all(line["request_id"] for line in lines)


async def until_said(words: str, server: Server, trace: int) -> list[dict[str, str]]:
    """What was logged of one trace, once these words have been."""
    lines: list[dict[str, str]] = []
    while not any(words in each["message"] for each in lines):  # files tell nobody
        await asyncio.sleep(0.2)
        lines = lines_of(server, trace)
    return lines


def lines_of(server: Server, trace: int) -> list[dict[str, str]]:
    """What the ingress has logged of one trace."""
    texts = [text for path, text in logs_of(server) if "Ingress" in path.name]
    whole = [line for text in texts for line in text.splitlines() if line.endswith("}")]
    return [line for line in map(json.loads, whole) if line.get("trace_id") == f"{trace:032x}"]
