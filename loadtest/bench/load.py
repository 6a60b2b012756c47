"""Clips in, answers with their timings out: a closed loop of callers, cheap enough to measure by.

Plain `http.client` in threads: a full HTTP library would cost more CPU than a small model does.
"""

import http.client
import json
import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.bench.clips import Clip

_BOUNDARY = "chorus-bench-7f3a"
_TIMEOUT_S = 600.0


class BenchError(Exception):
    """The benchmark cannot go on; what it has so far means nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one clip fared."""

    text: str
    latency_s: float
    stages_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LoadRun:
    """All clips through the server once."""

    wall_s: float
    answers: tuple[Answer, ...]
    """In the order of the clips."""


def run_load(url: str, clips: Sequence[Clip], *, model: str, concurrency: int) -> LoadRun:
    """Keep `concurrency` requests under way until all clips are answered.

    Raises:
        BenchError: a clip was refused.
    """
    bodies = [_body(clip, model) for clip in clips]
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(clips)):
        todo.put(index)
    answers: list[Answer | None] = [None] * len(clips)

    def call() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        with closing(connection):
            while True:
                try:
                    index = todo.get_nowait()
                except queue.Empty:
                    return
                answers[index] = _ask(connection, bodies[index])

    began_at = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        for caller in [pool.submit(call) for _ in range(concurrency)]:
            caller.result()
    wall_s = time.perf_counter() - began_at
    return LoadRun(wall_s, tuple(answer for answer in answers if answer is not None))


def _ask(connection: http.client.HTTPConnection, body: bytes) -> Answer:
    began_at = time.perf_counter()
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    connection.request("POST", "/v1/audio/transcriptions", body, headers)
    response = connection.getresponse()
    content = response.read()
    latency_s = time.perf_counter() - began_at
    if response.status != 200:
        raise BenchError(f"a clip was refused: {response.status} {content[:300]!r}")
    stages_s = {}
    for entry in (response.headers["Server-Timing"] or "").split(","):
        stage, _, duration_ms = entry.strip().partition(";dur=")
        if duration_ms:
            stages_s[stage] = float(duration_ms) / 1000
    return Answer(json.loads(content)["text"], latency_s, stages_s)


def _body(clip: Clip, model: str) -> bytes:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{clip.name}"'
        "\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + clip.upload + f"\r\n--{_BOUNDARY}--\r\n".encode()
