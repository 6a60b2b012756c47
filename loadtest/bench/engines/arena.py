"""What is to be served in, a server of it out: one at a time, kept while the next point asks for
the same one."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Self

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
    ) -> Server:
        """A server of `model`, as `config` deploys it; whatever was served before is not any more.

        Raises:
            BenchError: it did not become ready.
        """
        key = (config, model, tuple(sorted(limits.items())))
        if self._server is None or key != self._key:
            self.clear()
            self._server = self._stack.enter_context(own_server(config, model, limits=limits))
            self._key = key
        return self._server

    def clear(self) -> None:
        """Serve nothing: the cores are for something else."""
        self._server = None
        self._stack.close()
