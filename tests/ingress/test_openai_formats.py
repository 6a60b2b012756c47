import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment, StageTimes, Token, Word

pytestmark = pytest.mark.asyncio

SEGMENTS = (
    Segment(
        "Zero one.",
        0.08,
        0.8,
        (Word("Zero", 0.08, 0.4, 0.97), Word("one.", 0.48, 0.8, 0.5)),
        (Token("▁Zero", -0.1), Token("▁one.", -0.3)),
    ),
    Segment("Two.", 2.0, 2.4, (Word("Two.", 2.0, 2.4, 0.9),), (Token("▁Two.", -0.2),)),
)


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend(SEGMENTS, duration_s=3.25, stage_times=StageTimes(0.012, 0.003, 0.02))


async def test_json_is_complete(open_server, backend) -> None:
    site = await open_server(backend)
    answer = await site.transcribe()
    assert answer.text == "Zero one. Two."
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 3.25)
    assert [language.code for language in answer.languages] == ["en"]
    assert answer.logprobs is None
    (call,) = backend.calls
    assert call.upload == b"RIFF..."
    assert call.request.model == "parakeet-tiny"
    assert not call.request.options.logprobs


async def test_logprobs_are_complete(open_server, backend) -> None:
    site = await open_server(backend)
    answer = await site.transcribe(include=["logprobs"], response_format="json")
    assert [item.token for item in answer.logprobs] == ["▁Zero", "▁one.", "▁Two."]
    assert [item.logprob for item in answer.logprobs] == [-0.1, -0.3, -0.2]
    assert bytes(map(int, answer.logprobs[0].bytes)).decode() == "▁Zero"
    assert backend.calls[0].request.options.logprobs


async def test_verbose_json_is_complete(open_server, backend) -> None:
    site = await open_server(backend)
    answer = await site.transcribe(
        response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en"
    )
    assert (answer.text, answer.language, answer.duration) == ("Zero one. Two.", "english", 3.25)
    assert answer.task == "transcribe"
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 3.25)
    assert [segment.id for segment in answer.segments] == [0, 1]
    first = answer.segments[0]
    assert (first.text, first.start, first.end, first.seek) == ("Zero one.", 0.08, 0.8, 8)
    assert (first.tokens, first.temperature, first.no_speech_prob) == ([], 0.0, None)
    assert first.avg_logprob == pytest.approx(-0.2)
    assert 0.3 < first.compression_ratio < 1
    assert [(word.word, word.start, word.end) for word in answer.words] == [
        ("Zero", 0.08, 0.4),
        ("one.", 0.48, 0.8),
        ("Two.", 2.0, 2.4),
    ]
    assert [word.confidence for word in answer.words] == [0.97, 0.5, 0.9]
    assert backend.calls[0].request.options.language == "en"


@pytest.mark.parametrize(
    ("granularities", "has_segments", "has_words"),
    [(None, True, False), (["segment"], True, False), (["word"], False, True)],
)
async def test_granularities_choose_what_is_told(
    open_server, backend, granularities, has_segments, has_words
) -> None:
    site = await open_server(backend)
    options = {} if granularities is None else {"timestamp_granularities": granularities}
    answer = await site.transcribe(response_format="verbose_json", **options)
    assert (answer.segments is not None, answer.words is not None) == (has_segments, has_words)


async def test_text_srt_and_vtt_are_what_they_say(open_server, backend) -> None:
    site = await open_server(backend)
    assert await site.transcribe(response_format="text") == "Zero one. Two.\n"
    assert await site.transcribe(response_format="srt") == (
        "1\n00:00:00,080 --> 00:00:00,913\nZero one.\n\n2\n00:00:02,000 --> 00:00:02,833\nTwo.\n\n"
    )
    assert await site.transcribe(response_format="vtt") == (
        "WEBVTT\n\n00:00:00.080 --> 00:00:00.913\nZero one.\n\n"
        "00:00:02.000 --> 00:00:02.833\nTwo.\n\n"
    )
    media_types = {
        name: (await site.post(response_format=name)).headers["content-type"]
        for name in ("json", "verbose_json", "text", "srt", "vtt")
    }
    assert media_types == {
        "json": "application/json",
        "verbose_json": "application/json",
        "text": "text/plain; charset=utf-8",
        "srt": "text/plain; charset=utf-8",
        "vtt": "text/vtt; charset=utf-8",
    }


@pytest.mark.parametrize("name", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_silence_is_an_empty_text(open_server, name) -> None:
    site = await open_server(ScriptedBackend())
    response = await site.post(response_format=name)
    assert response.status_code == 200
    if "json" in name:
        assert response.json()["text"] == ""
    else:
        assert response.text.strip() == ("WEBVTT" if name == "vtt" else "")


async def test_the_time_of_each_stage_is_told(open_server, backend) -> None:
    site = await open_server(backend)
    response = await site.post()
    assert response.headers["server-timing"] == "decode;dur=12.0, queue;dur=3.0, model;dur=20.0"
    assert "x-chorus-simulated" not in response.headers
    assert "simulated" not in response.json()


@pytest.mark.parametrize("name", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_a_simulated_model_says_so_in_every_format(open_server, backend, name) -> None:
    site = await open_server(backend)
    response = await site.post(model="pretender", response_format=name)
    assert response.headers["x-chorus-simulated"] == "true"
    if "json" in name:
        assert response.json()["simulated"] is True


async def test_word_times_that_the_model_lacks_are_refused_and_not_made_up(open_server) -> None:
    site = await open_server(ScriptedBackend([Segment("hi", 0.0, 1.0)]))
    response = await site.post(
        response_format="verbose_json", **{"timestamp_granularities[]": "word"}
    )
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "timestamp_granularities"
    response = await site.post(**{"include[]": "logprobs"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "include"
