"""Requests and live streams, as an ingress sees them."""

from serve_app.telemetry.metrics.declaring import LAG_SECONDS, SECONDS, counter, gauge, histogram

TRANSLATION_SECONDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 30.0)


class IngressMetrics:
    """What one ingress replica saw."""

    def __init__(self) -> None:
        self.requests = counter(
            "chorus_requests", "Requests answered, by route and outcome.", "route", "code"
        )
        self.request_s = histogram(
            "chorus_request_seconds",
            "From the request's head to its answer's end.",
            SECONDS,
            "route",
        )
        self.in_flight = gauge("chorus_requests_in_flight", "Requests being answered.")
        self.places_in_use = gauge(
            "chorus_places_in_use", "Uploads and live streams behind the gate."
        )
        self.places = gauge("chorus_places", "Those that may be there at once.")
        self.errors = counter(
            "chorus_errors", "Errors that clients were told, by their code.", "code"
        )
        self.held_bytes = gauge(
            "chorus_upload_held_bytes", "Memory that uploads and unheard messages hold."
        )
        self.limit_bytes = gauge("chorus_upload_limit_bytes", "Memory that uploads may hold.")
        self.predicted_wait_s = gauge(
            "chorus_predicted_wait_seconds",
            "What a short recording that came now would wait for its turn.",
            "model",
        )
        self.lost = counter(
            "chorus_ledger_losses", "Times that the ledger of API keys did not answer."
        )
        self.alone = gauge(
            "chorus_ledger_alone",
            "1 while this ingress counts keys' usage by itself, since the ledger is lost.",
        )


class SocketMetrics:
    """What the live streams of one ingress replica were: a `Tally` of `ingress.sockets`."""

    def __init__(self) -> None:
        self._open = gauge("chorus_streams_open", "Live streams.", "route")
        self._closed = counter(
            "chorus_streams",
            "Live streams that have ended, by the code they were closed with.",
            "route",
            "code",
        )
        self._audio_s = counter(
            "chorus_stream_audio_seconds", "Audio of live streams, in seconds.", "route"
        )
        self._utterances = counter(
            "chorus_utterances",
            "Utterances of conversations, by what became of them.",
            "outcome",
        )
        self._text_s = histogram(
            "chorus_translation_text_seconds",
            "From the arrival of the end of speech to its translated text.",
            TRANSLATION_SECONDS,
        )
        self._sound_s = histogram(
            "chorus_translation_sound_seconds",
            "From the arrival of the end of speech to the first sound of its translation.",
            TRANSLATION_SECONDS,
        )
        self._num_open: dict[str, int] = {}

    def opened(self, route: str) -> None:
        self._count(route, 1)

    def ended(self, route: str) -> None:
        self._count(route, -1)

    def closed(self, route: str, code: str) -> None:
        self._closed.inc(tags={"route": route, "code": code})

    def heard(self, route: str, audio_s: float) -> None:
        self._audio_s.inc(audio_s, tags={"route": route})

    def translated(self, outcome: str, text_s: float | None, sound_s: float | None) -> None:
        self._utterances.inc(tags={"outcome": outcome})
        if text_s is not None:
            self._text_s.observe(text_s)
        if sound_s is not None:
            self._sound_s.observe(max(sound_s, 0.0))  # a histogram drops what is below

    def beat(self) -> None:
        """Tell again what is open."""
        for route, num in self._num_open.items():
            self._open.set(num, tags={"route": route})

    def _count(self, route: str, num: int) -> None:
        self._num_open[route] = self._num_open.get(route, 0) + num
        self._open.set(self._num_open[route], tags={"route": route})


class LinkMetrics:
    """What one ingress saw of the replicas of one streaming model."""

    def __init__(self, model: str) -> None:
        self.moved = counter(
            "chorus_slots_moved",
            "Slots that a stream lost, or left before its replica went, by reason.",
            "model",
            "reason",
        )
        self.lag_s = histogram(
            "chorus_text_lag_seconds",
            "From a frame's leaving its session until its text is there.",
            LAG_SECONDS,
            "model",
        )
        self.moved.set_default_tags({"model": model})
        self.lag_s.set_default_tags({"model": model})
