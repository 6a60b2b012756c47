"""The spans of a text that is spoken: one for each sentence, below what asked for it."""

from serve_app.config import SynthesizerConfig
from serve_app.models.protocols import SpokenText
from serve_app.telemetry import tracing
from tests.deployments.local_synthesizer import HUM, local_synthesizer, speaker
from tests.telemetry.collector import Collector
from tests.telemetry.conftest import Begin

CONFIG = SynthesizerConfig.model_validate(HUM)


async def test_each_sentence_is_a_span_below_its_request(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint, OTEL_TRACES_SAMPLER="always_on")
    async with local_synthesizer(CONFIG) as replica:
        with tracing.span("a request") as asking:
            text = SpokenText("A secret. And another.", "hum-en")
            parts = [part async for part in speaker(replica).speak("hum", text)]
    assert len(parts) == 2
    tracing.end()
    spans = collector.until(lambda spans: sum(span.name == "synthesize" for span in spans) == 2)
    assert asking.trace is not None
    for span in spans:
        if span.name == "synthesize":
            assert span.parent_id == asking.trace.span_id
            assert set(span.attributes) == {"chorus.model", "chorus.speech_s"}
            assert span.attributes["chorus.model"] == "hum"
