import asyncio
import json

import httpx
import openai
import pytest

from serve_app.errors import AtCapacityError, EngineError, UndecodableAudioError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment, Token

pytestmark = pytest.mark.asyncio

ONE = Segment("One.", 0.0, 1.0, tokens=(Token("▁One.", -0.1),))
TWO = Segment("Two.", 1.0, 2.0, tokens=(Token("▁Two", -0.2), Token(".", -0.3)))


async def test_the_first_delta_leaves_before_the_last_chunk_is_recognised(open_server) -> None:
    held = asyncio.Event()
    site = await open_server(ScriptedBackend([ONE, held, TWO], duration_s=2.05))
    events = await site.transcribe(stream=True)
    first = await anext(events)
    assert (first.type, first.delta, first.logprobs) == ("transcript.text.delta", "One.", None)
    held.set()
    second, done = [event async for event in events]
    assert (second.type, second.delta) == ("transcript.text.delta", " Two.")
    assert (done.type, done.text) == ("transcript.text.done", "One. Two.")
    assert done.usage.type == "tokens"
    assert (done.usage.input_tokens, done.usage.output_tokens) == (21, 3)
    assert done.usage.total_tokens == 24
    assert done.usage.input_token_details.audio_tokens == 21
    assert [language.code for language in done.languages] == ["en"]


async def test_the_wire_is_lines_of_data_and_the_mark_of_the_end(open_server) -> None:
    site = await open_server(ScriptedBackend([ONE, Segment("", 1.0, 1.0), TWO]))
    response = await site.post(stream="true", model="pretender")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-chorus-simulated"] == "true"
    assert "content-length" not in response.headers
    *events, end, rest = response.text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    bodies = [json.loads(event.removeprefix("data: ")) for event in events]
    deltas = [body["delta"] for body in bodies if body["type"] == "transcript.text.delta"]
    assert "".join(deltas) == bodies[-1]["text"] == "One. Two."
    assert bodies[-1]["simulated"] is True


async def test_logprobs_come_with_each_delta_and_all_at_the_end(open_server) -> None:
    site = await open_server(ScriptedBackend([ONE, TWO]))
    stream = await site.transcribe(stream=True, include=["logprobs"])
    first, second, done = [event async for event in stream]
    assert [item.token for item in first.logprobs] == ["▁One."]
    assert [item.token for item in second.logprobs] == ["▁Two", "."]
    assert [item.logprob for item in done.logprobs] == [-0.1, -0.2, -0.3]


async def test_silence_is_a_done_without_deltas(open_server) -> None:
    site = await open_server(ScriptedBackend())
    (done,) = [event async for event in await site.transcribe(stream=True)]
    assert (done.type, done.text) == ("transcript.text.done", "")


async def test_what_fails_before_the_first_word_is_an_ordinary_error(open_server) -> None:
    site = await open_server(ScriptedBackend([UndecodableAudioError("no header")]))
    with pytest.raises(openai.BadRequestError) as caught:
        await site.transcribe(stream=True)
    assert caught.value.code == "undecodable_audio"


async def test_capacity_is_refused_with_a_time_to_come_back(open_server) -> None:
    site = await open_server(ScriptedBackend([AtCapacityError("the queue is full", 2.5)]))
    with pytest.raises(openai.RateLimitError) as caught:
        await site.transcribe(stream=True)
    assert caught.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(EngineError("tiny", "broken"), "engine_failed"), (ValueError("oops"), "internal_error")],
)
async def test_what_fails_in_mid_stream_is_the_last_event(open_server, failure, code) -> None:
    site = await open_server(ScriptedBackend([ONE, failure]))
    stream = await site.transcribe(stream=True)
    assert (await anext(stream)).delta == "One."
    with pytest.raises(openai.APIError) as caught:
        await anext(stream)
    assert caught.value.code == code
    response = await site.post(stream="true")
    assert response.text.split("\n\n")[1].startswith("event: error\ndata: ")
    assert "oops" not in response.text
    assert "[DONE]" not in response.text


async def test_the_time_limit_ends_a_stream_and_its_work(open_server) -> None:
    backend = ScriptedBackend([ONE, asyncio.Event()])
    site = await open_server(backend, limits={"request_timeout_s": 0.2})
    stream = await site.transcribe(stream=True)
    await anext(stream)
    with pytest.raises(openai.APIError) as caught:
        await anext(stream)
    assert caught.value.code == "deadline_exceeded"
    await asyncio.wait_for(backend.abandoned.wait(), 5)
    assert backend.num_running == 0


@pytest.mark.parametrize("script", [[asyncio.Event()], [ONE, asyncio.Event()]])
async def test_a_listener_who_leaves_stops_the_work(open_server, script) -> None:
    backend = ScriptedBackend(script)
    site = await open_server(backend)
    listening = site.spawn(site.post(stream="true"))
    await asyncio.wait_for(backend.called.wait(), 5)
    listening.cancel()
    await asyncio.wait_for(backend.abandoned.wait(), 5)
    assert backend.num_running == 0


async def test_many_streams_run_side_by_side(open_server) -> None:
    held = asyncio.Event()
    site = await open_server(ScriptedBackend([ONE, held, TWO]))
    streams = [await site.transcribe(stream=True) for _ in range(8)]
    assert [(await anext(stream)).delta for stream in streams] == ["One."] * 8
    held.set()
    ends = [[event async for event in stream][-1].text for stream in streams]
    assert ends == ["One. Two."] * 8


async def test_a_stream_needs_no_sdk(open_server) -> None:
    site = await open_server(ScriptedBackend([ONE]))
    files = {"file": ("a.wav", b"RIFF")}
    url, form = "/v1/audio/transcriptions", {"stream": "true", "response_format": "text"}
    async with site.http.stream("POST", url, data=form, files=files) as response:
        lines = [line async for line in response.aiter_lines() if line]
    assert isinstance(response, httpx.Response)
    assert json.loads(lines[0].removeprefix("data: "))["delta"] == "One."
