"""The spans of a conversation: one for each utterance, and below it what works for it."""

from serve_app.models.protocols import Speech
from serve_app.pipelines.speech_to_speech.fake import FakeSpeaker, FakeTranslator
from serve_app.telemetry import tracing
from serve_app.telemetry.tracing import Trace
from tests.pipelines.speech_to_speech.talks import silence, speech, told
from tests.telemetry.collector import Collector
from tests.telemetry.conftest import Begin


class Placed(FakeSpeaker):
    """Notes where in the trace it speaks."""

    places: list[Trace | None]

    async def speak(self, sentence: str, language: str) -> Speech:
        self.places.append(tracing.here())
        return await super().speak(sentence, language)


async def test_each_utterance_is_a_span_and_works_below_it(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint, OTEL_TRACES_SAMPLER="always_on")
    speaker = Placed()
    speaker.places = []
    pcm = b"".join(speech(seed, 0.4) + silence(0.6) for seed in (1, 2))
    with tracing.span("a socket") as socket:
        await told([pcm], FakeTranslator(max_sentences=1), speaker)
    tracing.end()
    spans = collector.until(lambda spans: sum(span.name == "utterance" for span in spans) == 2)
    utterances = [span for span in spans if span.name == "utterance"]
    assert socket.trace is not None
    assert {span.parent_id for span in utterances} == {socket.trace.span_id}
    assert {span.attributes["chorus.utterance"] for span in utterances} == {0, 1}
    places = {place.span_id for place in speaker.places if place is not None}
    assert places == {span.span_id for span in utterances}
