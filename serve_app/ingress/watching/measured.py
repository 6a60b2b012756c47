"""Exchanges, in; how many and how long, to the metrics of an ingress, out."""

import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.deployments.ledger import PatientLedger
from serve_app.ingress.admission.forecast import Forecast
from serve_app.ingress.admission.gate import Gate
from serve_app.ingress.flow import held_back
from serve_app.telemetry.metrics import IngressMetrics


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
        try:
            await self.app(scope, held_back(receive), send_seen)
        finally:
            self.num_in_flight -= 1
            route = route_of(scope)
            self.metrics.requests.inc(tags={"route": route, "code": status})
            self.metrics.request_s.observe(time.perf_counter() - began_at, tags={"route": route})

    def beat(
        self,
        gate: Gate,
        forecast: Forecast,
        models: Iterable[str],
        ledger: PatientLedger | None,
    ) -> None:
        """Tell what is so now."""
        self.metrics.in_flight.set(self.num_in_flight)
        self.metrics.places_in_use.set(gate.num_inside)
        self.metrics.places.set(gate.max_inside)
        self.metrics.held_bytes.set(gate.held_bytes)
        self.metrics.limit_bytes.set(gate.max_held_bytes)
        for model in models:
            self.metrics.predicted_wait_s.set(forecast.wait_s(model, 0.0), tags={"model": model})
        if ledger is not None:
            self.metrics.alone.set(int(ledger.is_alone))


def route_of(scope: Scope) -> str:
    """A route's template; `other` where none was found. The path itself might tell a name."""
    path: str = getattr(scope.get("route"), "path", "other")
    return path
