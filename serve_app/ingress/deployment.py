"""The ingress as a Ray Serve deployment: the HTTP application over handles to the graph."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping

import httpx
from ray import serve, util
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.allocator import return_large_blocks
from serve_app.config import ModelConfig, ServerConfig
from serve_app.deployments.ledger import PatientLedger
from serve_app.deployments.links.host import ServeDeployment, ServeStreamHost
from serve_app.deployments.links.link import LinkReport
from serve_app.deployments.routing import Handle, ServeLedger, ServeTranscriber
from serve_app.errors import ModelUnavailableError
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.app import build_app
from serve_app.ingress.auth.audit import LOGGER as AUDIT_LOGGER
from serve_app.ingress.auth.secrets import ENVIRONMENT_VARIABLE
from serve_app.ingress.flow import held_back
from serve_app.ingress.jobs.desk import Desk
from serve_app.models.protocols import ModelInfo
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.telemetry import (
    IngressMetrics,
    LinkMetrics,
    SocketMetrics,
    join_serve_logs,
    log_beside_serves,
)

DRAIN_TIMEOUT_S = 60.0
"""How long stopping waits for requests under way."""
_SCRAPE_TIMEOUT_S = 4.0

logger = logging.getLogger(__name__)


class GraphBackend(ServeTranscriber):
    """See `Backend`."""

    def __init__(
        self,
        preprocessor: Handle,
        hosts: Mapping[str, ServeStreamHost],
        *,
        num_offline: int,
        metrics_port: int,
        gate: Gate,
    ) -> None:
        super().__init__(preprocessor)
        self._hosts = hosts
        self._gate = gate
        self._num_offline = num_offline
        node = util.get_node_ip_address()  # type: ignore[no-untyped-call]  # Ray's
        self._metrics_url = f"http://{node}:{metrics_port}/metrics"

    async def models(self) -> list[ModelInfo]:
        """A streaming model counts once it has been up: scaled to zero, it answers all the same."""
        for host in self._hosts.values():
            host.begin()
        streaming = [host.info for host in self._hosts.values() if host.info is not None]
        return await super().models() + streaming if self._num_offline else streaming

    async def ready(self) -> bool:
        num_models = self._num_offline + len(self._hosts)
        return self._gate.is_open and len(await self.models()) == num_models

    async def close(self) -> None:
        """End all live streams."""
        await asyncio.gather(*(host.close() for host in self._hosts.values()))

    def stream_host(self, model: str) -> StreamHost:
        return self._hosts[model]

    async def metrics(self) -> str:
        try:
            async with httpx.AsyncClient(timeout=_SCRAPE_TIMEOUT_S) as client:
                answer = await client.get(self._metrics_url)
                answer.raise_for_status()
        except httpx.HTTPError as error:
            logger.warning("no metrics at %s: %s", self._metrics_url, error)
            raise ModelUnavailableError("the exporter of metrics", 5.0) from error
        return answer.text


class Measured:
    """Counts each exchange and times it, by its route's template; unknown paths count as one."""

    def __init__(self, app: ASGIApp, metrics: IngressMetrics) -> None:
        self.app = app
        self.metrics = metrics
        self.num_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = "left"

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        began_at = time.perf_counter()
        self.num_in_flight += 1
        self.metrics.in_flight.set(self.num_in_flight)
        try:
            await self.app(scope, held_back(receive), send_seen)
        finally:
            self.num_in_flight -= 1
            self.metrics.in_flight.set(self.num_in_flight)
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.inc(tags={"route": route, "code": status})
            self.metrics.request_s.observe(time.perf_counter() - began_at, tags={"route": route})


def _host(model: ModelConfig, handle: Handle, config: ServerConfig) -> ServeStreamHost:
    metrics = LinkMetrics(model.name)

    def count(moved: LinkReport) -> None:
        metrics.moved.inc(moved.num_slots, tags={"reason": moved.reason})

    deployment = ServeDeployment(handle)
    return ServeStreamHost(model, deployment, tick_s=config.streams.tick_s, report=count)


@serve.ingress()
class Ingress:
    """All HTTP wires. Light: a process of it imports neither torch nor NeMo."""

    def __init__(
        self,
        config: ServerConfig,
        preprocessor: Handle,
        streams: Mapping[str, Handle],
        ledger: Handle | None = None,
        jobs: Handle | None = None,
    ) -> None:
        """`jobs` is not called: binding it deploys it."""
        join_serve_logs()
        return_large_blocks()
        log_beside_serves(AUDIT_LOGGER, "audit")
        self._config = config
        self._ledger = ledger
        self._desk = None if config.jobs is None else Desk(config.jobs)
        self._gate = gate_of(config.limits)
        self._backend = GraphBackend(
            preprocessor,
            {
                model.name: _host(model, streams[model.name], config)
                for model in config.streaming_models
            },
            num_offline=len(config.offline_models) + len(config.diarizers),
            metrics_port=config.metrics_port,
            gate=self._gate,
        )

    async def reconfigure(self, user_config: Mapping[str, object]) -> None:
        """`{draining: true}` refuses new uploads and returns when those under way are answered.

        Serve counts the deployment as updating until each of its replicas has returned: that is
        how `server.running` knows that nobody is left whom stopping would cut off.
        """
        if user_config.get("draining"):
            await self._gate.close(DRAIN_TIMEOUT_S)

    async def __del__(self) -> None:
        await self._backend.close()
        if self._desk is not None:
            await self._desk.close()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Called by Serve once the replica is there; its proxy adds `x-request-id` itself."""
        metrics = IngressMetrics()
        ledger = None
        if self._ledger is not None:
            ledger = PatientLedger(ServeLedger(self._ledger), metrics.lost.inc)
        app = build_app(
            self._config,
            self._backend,
            gate=self._gate,
            request_ids=False,
            ledger=ledger,
            signing_secret=os.environ.get(ENVIRONMENT_VARIABLE, ""),
            tally=SocketMetrics(),
            desk=self._desk,
        )
        return Measured(app, metrics)
