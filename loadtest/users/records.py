"""What the users report, in; a line of JSON for each request, and the errors of all words, out."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

_FACTS = ("audio_s", "num_words", "num_wrong", "lags_s", "lags_at_s", "at_s", "took_s", "late_s",
          "simulated")  # fmt: skip
"""Of a request's context: what a line tells of it."""


class WordCount:
    """Words so far, and those that were wrong; a master's are those of all its workers."""

    def __init__(self) -> None:
        self.num_words = 0
        self.num_wrong = 0

    @property
    def error_rate(self) -> float:
        return self.num_wrong / self.num_words if self.num_words else 0.0

    def add(self, num_words: int, num_wrong: int) -> None:
        self.num_words += num_words
        self.num_wrong += num_wrong

    def take(self) -> dict[str, int]:
        """What came since it was taken before."""
        taken = {"num_words": self.num_words, "num_wrong": self.num_wrong}
        self.num_words = self.num_wrong = 0
        return taken


def count_words(environment: Environment) -> WordCount:
    """Of this run, over all workers."""
    words = WordCount()
    add = environment.events.request.add_listener

    @add
    def count(context: Mapping[str, Any], **_: Any) -> None:
        words.add(context.get("num_words", 0), context.get("num_wrong", 0))

    if isinstance(environment.runner, WorkerRunner):

        @environment.events.report_to_master.add_listener
        def report(client_id: str, data: dict[str, Any]) -> None:
            data["words"] = words.take()

    if isinstance(environment.runner, MasterRunner):

        @environment.events.worker_report.add_listener
        def hear(client_id: str, data: dict[str, Any]) -> None:
            words.add(**data.get("words", {"num_words": 0, "num_wrong": 0}))

    return words


def write_records(folder: Path) -> None:
    """A file of this process in `folder`, a line for each request as soon as it has ended."""
    files: dict[int, TextIO] = {}

    @events.request.add_listener
    def write(
        request_type: str,
        name: str,
        response_time: float,
        exception: BaseException | None,
        context: Mapping[str, Any],
        **_: Any,
    ) -> None:
        pid = os.getpid()  # `--processes` forks
        if pid not in files:
            files[pid] = (folder / f"{pid}.jsonl").open("w", buffering=1)
        line = {
            "kind": request_type,
            "name": name,
            "took_s": response_time / 1000,
            "error": "" if exception is None else f"{type(exception).__name__}: {exception}",
            **{fact: context[fact] for fact in _FACTS if fact in context},
        }
        files[pid].write(json.dumps(line) + "\n")
