"""What is to be served in, a server of it out: one at a time, kept while the next point asks for
the same one."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from loadtest.bench.server import Server, own_server
from serve_app.config import ModelConfig


class Arena:
    """Servers of our own, each of one model on one replica."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._key: object = None
        self._server: Server | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def serve(
        self,
        config: Path,
        model: ModelConfig,
        limits: Mapping[str, float] = MappingProxyType({}),
        *,
        max_waiting: int | None = None,
    ) -> Server:
        """A server of `model`, as `config` deploys it; whatever was served before is not any more.
        `max_waiting` is how many recordings may wait in its preprocessor, where not what the
        file says.

        Raises:
            BenchError: it did not become ready.
        """

        def change(document: dict[str, Any]) -> None:
            if max_waiting is not None:
                args = document["applications"][0]["args"]
                args.setdefault("preprocessor", {})["max_waiting"] = max_waiting

        key = (config, model, tuple(sorted(limits.items())), max_waiting)
        if self._server is None or key != self._key:
            self.clear()
            serving = own_server(config, model, limits=limits, change=change)
            self._server = self._stack.enter_context(serving)
            self._key = key
        return self._server

    def clear(self) -> None:
        """Serve nothing: the cores are for something else."""
        self._server = None
        self._stack.close()
