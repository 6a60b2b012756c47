"""How long a conversation may be silent, and how long its last words may take."""

import asyncio

import pytest

from serve_app.config import ServerConfig
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.served import ServedModels
from serve_app.ingress.sockets.translation import stream
from serve_app.ingress.voices import ServedVoices
from serve_app.ingress.wires.translate.first import first_of
from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.wires.conftest import WAITING
from tests.ingress.wires.translate.conftest import SCRIPT
from tests.ingress.wires.translate.site import MODELS, SYNTHESIZERS, WANTED, say, told_to

pytestmark = pytest.mark.asyncio


async def test_who_never_says_what_it_wants_keeps_no_place(translating, monkeypatch) -> None:
    monkeypatch.setattr(stream, "_FIRST_WITHIN_S", 0.05)
    site = await translating()
    async with asyncio.timeout(WAITING), await site.server.open("/ws/translate") as client:
        (error,) = await told_to(client)
    assert (client.close_code, error["error"]["code"]) == (1008, "stream_idle")


@pytest.mark.parametrize(("model", "is_held"), [("pretender", True), ("interpreter", False)])
async def test_who_holds_a_slot_may_be_silent_for_as_long_as_any_stream(
    translating, model, is_held
) -> None:
    host = FakeHost(num_slots=1)
    site = await translating(
        ScriptedBackend(SCRIPT, hosts={"interpreter": host}), streams={"idle_timeout_s": 0.1}
    )
    async with asyncio.timeout(WAITING), await site.server.open("/ws/translate") as client:
        await say(client, {**WANTED, "model": model})
        reading = asyncio.create_task(told_to(client))
        done, _ = await asyncio.wait({reading}, timeout=1.0)
        assert bool(done) is not is_held
        if is_held:
            await say(client, b"")
        await reading
    assert client.close_reason == ("" if is_held else "stream_idle")


async def test_the_last_words_over_a_slot_wait_for_a_model_that_starts_anew(translating) -> None:
    patience = {}
    for name in ("pretender", "interpreter"):
        backend = ScriptedBackend(SCRIPT, hosts={"interpreter": FakeHost(num_slots=1)})
        config = ServerConfig.model_validate({"models": MODELS, "synthesizers": SYNTHESIZERS})
        spoken = stream.SpokenStream(backend, config, lambda _: None, lambda *_: None)
        fields = {**WANTED, "model": name}
        served, voices = ServedModels(config), ServedVoices(config)
        spoken.open(first_of(fields, config, served, voices).asked)
        patience[name] = spoken.patience_s
        await spoken.close()
    assert patience == {"pretender": 30.0, "interpreter": 120.0}
