"""canary-tiny on streams in a conversation: it translates while espeak still speaks."""

import asyncio
from contextlib import closing

import numpy as np
import pytest
import soxr
import yaml

from serve_app.audio.voice import VoiceActivity
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ServerConfig
from serve_app.deployments.streaming.local import LocalHost
from serve_app.deployments.streaming.slots import Slots, waiting_frames
from serve_app.ingress.voices import ServedVoices
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamOptions, SynthesisRequest
from serve_app.models.speech.espeak.engine import EspeakSynthesizer
from serve_app.pipelines.speech_to_speech.conversation import ConversationSettings
from serve_app.pipelines.speech_to_speech.events import Done, Sound, Translated
from serve_app.pipelines.speech_to_speech.fake import FakeSpeaker, sentence_of
from serve_app.pipelines.speech_to_speech.streamed import StreamedConversation
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from tests.graph.conftest import ROOT
from tests.graph.conversations import drawn

pytestmark = pytest.mark.asyncio

NUM_PHRASES = 8
LIMIT_S = 120


def config() -> ServerConfig:
    """`configs/tiny.yaml` with its Canary on streams."""
    document = yaml.safe_load((ROOT / "configs/tiny.yaml").read_text())
    settings = document["applications"][0]["args"]
    canary = next(model for model in settings["models"] if model["name"] == "canary-tiny")
    for name in ("batch", "max_chunk_s", "max_pause_s"):
        canary.pop(name)
    canary["streaming"] = {"method": "alignatt", "num_slots": 2}
    return ServerConfig.model_validate({**settings, "models": [canary]})


def speech_of(sentences: list[str], server: ServerConfig) -> bytes:
    """PCM at 16 kHz, in the server's own English voice, with pauses that end utterances."""
    voice = ServedVoices(server).of_language("en").name
    pieces = [np.zeros(SAMPLE_RATE_HZ, np.float32)]
    with closing(EspeakSynthesizer(server.synthesizers[0])) as speaker:
        for sentence in sentences:
            spoken = speaker.synthesize(SynthesisRequest(sentence, voice))
            samples = np.frombuffer(spoken.pcm, "<i2").astype(np.float32)
            pieces.append(soxr.resample(samples, spoken.sample_rate_hz, SAMPLE_RATE_HZ))
            pieces.append(np.zeros(round(1.5 * SAMPLE_RATE_HZ), np.float32))
    return np.clip(np.concatenate(pieces), -32768, 32767).astype("<i2").tobytes()


async def test_canary_on_a_stream_translates_a_conversation() -> None:
    server = config()
    said = drawn(3, NUM_PHRASES)
    pcm = speech_of([phrase.sentences["en"] for phrase in said], server)
    model = load_streaming_recognizer(server.models[0])
    slots = Slots(model, max_waiting_frames=waiting_frames(10.0, model.step_samples))
    voice_activity = VoiceActivity()
    session = await StreamSession.open(
        LocalHost([slots]),
        StreamOptions("en", "ru"),
        SessionSettings(max_ahead_s=10.0, max_stream_s=3600.0, voice_activity=voice_activity),
    )
    settings = ConversationSettings(voice_activity, quiet_s=None)
    conversation = StreamedConversation(session, ("en", "ru"), FakeSpeaker(), settings)

    async def feed() -> None:
        await conversation.feed(pcm)
        await conversation.finish()

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(LIMIT_S):
            events = [event async for event in conversation.events()]
            await feeding
    finally:
        await conversation.close()
        await slots.close()
    texts = [e.text for e in events if isinstance(e, Translated) and e.is_final]
    assert len(texts) == len([e for e in events if isinstance(e, Done)]) == NUM_PHRASES
    spoken = " ".join(sentence_of(e.speech.pcm) for e in events if isinstance(e, Sound))
    assert spoken == " ".join(texts)
    right = [text == phrase.sentences["ru"] for text, phrase in zip(texts, said, strict=True)]
    # On a stream it was right about 17 of 20, offline about 39 of 40.
    assert sum(right) >= 0.7 * NUM_PHRASES
