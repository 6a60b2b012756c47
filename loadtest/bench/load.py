"""Clips in, answers with their timings out: a closed loop of callers, cheap enough to measure by.

Plain `http.client` in threads: a full HTTP library would cost more CPU than a small model does.
"""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.bench.clips import Clip

_BOUNDARY = "chorus-bench-7f3a"
_TIMEOUT_S = 600.0
_PATH = "/v1/audio/transcriptions"


class BenchError(Exception):
    """The benchmark cannot go on; what it has so far means nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one clip fared."""

    text: str
    latency_s: float
    stages_s: Mapping[str, float]
    index: int = 0
    """Of its clip."""
    answered_at: float = 0.0
    """By `time.perf_counter`."""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """All clips through the server once, or over and over for a time."""

    wall_s: float
    answers: tuple[Answer, ...]
    """In the order of the clips; of clips that went again, in that in which they were sent."""


def run_load(url: str, clips: Sequence[Clip], *, model: str, concurrency: int) -> LoadRun:
    """Keep `concurrency` requests under way until all clips are answered.

    Raises:
        BenchError: a clip was refused.
    """
    return _run(url, clips, model, concurrency, iter(range(len(clips))))


def run_load_for(
    url: str, clips: Sequence[Clip], *, model: str, concurrency: int, for_s: float
) -> LoadRun:
    """The same with the clips over and over, until no more are sent after `for_s`.

    Raises:
        BenchError: a clip was refused.
    """
    until = time.perf_counter() + for_s
    turns = itertools.takewhile(lambda _: time.perf_counter() < until, itertools.count())
    return _run(url, clips, model, concurrency, turns)


def _run(
    url: str, clips: Sequence[Clip], model: str, concurrency: int, turns: Iterator[int]
) -> LoadRun:
    bodies = [_body(clip, model) for clip in clips]
    answers: dict[int, Answer] = {}
    lock = threading.Lock()

    def call() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        with closing(connection):
            while True:
                with lock:
                    turn = next(turns, None)
                if turn is None:
                    return
                index = turn % len(clips)
                answers[turn] = _ask(connection, bodies[index], index)

    began_at = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        for caller in [pool.submit(call) for _ in range(concurrency)]:
            caller.result()
    wall_s = time.perf_counter() - began_at
    return LoadRun(wall_s, tuple(answers[turn] for turn in sorted(answers)))


def _ask(connection: http.client.HTTPConnection, body: bytes, index: int) -> Answer:
    began_at = time.perf_counter()
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    connection.request("POST", _PATH, body, headers)
    response = connection.getresponse()
    content = response.read()
    answered_at = time.perf_counter()
    if response.status != 200:
        raise BenchError(f"a clip was refused: {response.status} {content[:300]!r}")
    stages_s = {}
    for entry in (response.headers["Server-Timing"] or "").split(","):
        stage, _, duration_ms = entry.strip().partition(";dur=")
        if duration_ms:
            stages_s[stage] = float(duration_ms) / 1000
    told = json.loads(content)
    stages_s |= told.get("stages_s", {})  # a rival's way to say it
    return Answer(told["text"], answered_at - began_at, stages_s, index, answered_at)


def _body(clip: Clip, model: str) -> bytes:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{clip.name}"'
        "\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + clip.upload + f"\r\n--{_BOUNDARY}--\r\n".encode()
