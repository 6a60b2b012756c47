"""The ingress as a Ray Serve deployment: the HTTP application over handles to the graph."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Mapping

import httpx
from ray import serve, util
from starlette.types import ASGIApp

from serve_app.allocator import return_large_blocks
from serve_app.config import ModelConfig, ServerConfig
from serve_app.deployments.ledger import PatientLedger
from serve_app.deployments.links.host import ServeDeployment, ServeStreamHost
from serve_app.deployments.links.link import LinkReport
from serve_app.deployments.routing import Handle, ServeLedger, ServeTranscriber
from serve_app.deployments.synthesis.client import ServeSynthesizers
from serve_app.errors import ModelUnavailableError
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.app import build_app
from serve_app.ingress.auth.audit import LOGGER as AUDIT_LOGGER
from serve_app.ingress.auth.secrets import ENVIRONMENT_VARIABLE
from serve_app.ingress.jobs.desk import Desk
from serve_app.ingress.problems import count_told
from serve_app.ingress.watching.measured import Measured
from serve_app.ingress.watching.traced import Traced
from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
)
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.telemetry import replica, tracing
from serve_app.telemetry.logs import log_beside_serves
from serve_app.telemetry.metrics import IngressMetrics, LinkMetrics, SocketMetrics

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
        synthesizers: Mapping[str, Handle],
        *,
        num_offline: int,
        metrics_port: int,
        gate: Gate,
    ) -> None:
        super().__init__(preprocessor)
        self._hosts = hosts
        self._synthesizers = ServeSynthesizers(synthesizers)
        self._gate = gate
        self._num_offline = num_offline
        node = util.get_node_ip_address()  # type: ignore[no-untyped-call]  # Ray's
        self._metrics_url = f"http://{node}:{metrics_port}/metrics"

    async def models(self) -> list[ModelInfo]:
        """A streaming model or a voice counts once it has been up: scaled to zero, it answers all
        the same."""
        recordings, voices = await asyncio.gather(
            self._models_of_recordings(), self._synthesizers.infos()
        )
        return recordings + voices

    async def _models_of_recordings(self) -> list[ModelInfo]:
        for host in self._hosts.values():
            host.begin()
        streaming = [host.info for host in self._hosts.values() if host.info is not None]
        return await super().models() + streaming if self._num_offline else streaming

    async def ready(self) -> bool:
        """Whatever the voices do: who wants a recording transcribed needs none."""
        num_models = self._num_offline + len(self._hosts)
        return self._gate.is_open and len(await self._models_of_recordings()) == num_models

    async def close(self) -> None:
        """End all live streams."""
        await asyncio.gather(*(host.close() for host in self._hosts.values()))

    def stream_host(self, model: str) -> StreamHost:
        return self._hosts[model]

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        return await self._synthesizers.synthesize(model, request)

    def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        return self._synthesizers.speak(model, request)

    async def metrics(self) -> str:
        try:
            async with httpx.AsyncClient(timeout=_SCRAPE_TIMEOUT_S) as client:
                answer = await client.get(self._metrics_url)
                answer.raise_for_status()
        except httpx.HTTPError as error:
            logger.warning("no metrics at %s: %s", self._metrics_url, error)
            raise ModelUnavailableError("the exporter of metrics", 5.0) from error
        return answer.text


def _host(model: ModelConfig, handle: Handle, config: ServerConfig) -> ServeStreamHost:
    metrics = LinkMetrics(model.name)

    def count(moved: LinkReport) -> None:
        metrics.moved.inc(moved.num_slots, tags={"reason": moved.reason})

    deployment = ServeDeployment(handle)
    return ServeStreamHost(
        model,
        deployment,
        tick_s=config.streams.tick_s,
        report=count,
        lagged=metrics.lag_s.observe,
    )


@serve.ingress()
class Ingress:
    """All HTTP wires. Light: a process of it imports neither torch nor NeMo."""

    def __init__(
        self,
        config: ServerConfig,
        preprocessor: Handle,
        streams: Mapping[str, Handle],
        synthesizers: Mapping[str, Handle],
        ledger: Handle | None = None,
        jobs: Handle | None = None,
    ) -> None:
        """`jobs` is not called: binding it deploys it."""
        replica.begin("Ingress")
        return_large_blocks()
        log_beside_serves(AUDIT_LOGGER, "audit")
        self._config = config
        self._ledger = ledger
        self._desk = None if config.jobs is None else Desk(config.jobs)
        self._gate = gate_of(config.limits)
        self._pulse: replica.Pulse | None = None
        self._backend = GraphBackend(
            preprocessor,
            {
                model.name: _host(model, streams[model.name], config)
                for model in config.streaming_models
            },
            synthesizers,
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
        if self._pulse is not None:
            await self._pulse.close()
        if self._desk is not None:
            await self._desk.close()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Called by Serve once the replica is there; its proxy adds `x-request-id` itself."""
        metrics, tally = IngressMetrics(), SocketMetrics()
        count_told(lambda code: metrics.errors.inc(tags={"code": code}))
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
            tally=tally,
            desk=self._desk,
        )
        measured = Measured(app, metrics)
        models = [model.name for model in self._config.offline_models]
        forecast = app.state.forecast
        self._pulse = replica.Pulse(
            "Ingress",
            tally.beat,
            lambda: measured.beat(self._gate, forecast, models, ledger),
        )
        return Traced(measured) if tracing.is_on() else measured
