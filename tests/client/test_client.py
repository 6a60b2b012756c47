"""The client against a real socket, and against servers that misbehave."""

import pickle
import socket
import time
from email.utils import formatdate

import pytest

from serve_app.client import (
    AnswerTimeoutError,
    Client,
    ConnectionLostError,
    InvalidUrlError,
    ServerError,
    UnreachableError,
)
from serve_app.errors import AtCapacityError, ModelUnavailableError, UndecodableAudioError
from serve_app.pipelines.transcription import Wording


def answer(status: str, body: str, *headers: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


BUSY = answer(
    "429 Too Many Requests",
    '{"error": {"message": "full", "code": "at_capacity"}}',
    "Retry-After: 3",
)
GOOD = answer("200 OK", '{"text": "at last"}')


@pytest.fixture
def client(site):
    with Client(site.url) as client:
        yield client


@pytest.mark.parametrize("url", ["foo", "foo:8000", "", "ftp://foo", "http://", "http://foo:x"])
def test_what_is_no_address_is_refused_with_what_one_looks_like(url):
    with pytest.raises(InvalidUrlError, match="http:// or https://") as caught:
        Client(url)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_recording_comes_back_as_text_with_its_length_and_the_servers_stages(client):
    got = client.transcribe(b"hello there\nand goodbye")
    assert got.text == "hello there and goodbye"
    assert got.audio_s == 4.0
    assert got.stages_s == {"decode": 0.001, "queue": 0.002, "model": 0.003}
    assert got.wall_s > 0
    assert not got.simulated
    assert got.num_attempts == 1


def test_a_path_is_sent_with_its_name_and_options_arrive(client, site, recording):
    client.transcribe(recording("talk.wav", "hallo"), model="tiny", language="de-DE")
    call = site.backend.calls[0]
    assert call.upload == b"hallo"
    assert call.request.model == "parakeet-tiny"
    assert call.request.options.language == "de"


def test_hot_words_and_wording_arrive(client, site):
    client.transcribe(b"x", hotwords=["Ada Lovelace", "Chorus"], itn=True)
    request = site.backend.calls[0].request
    assert request.options.hotwords == ("Ada Lovelace", "Chorus")
    assert request.wording == Wording(numbers=True)
    with pytest.raises(ServerError, match="profanity_file"):
        client.transcribe(b"x", profanity_filter=True)


@pytest.mark.parametrize(
    ("response_format", "beginning"),
    [("text", "one two"), ("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT")],
)
def test_text_formats_are_kept_as_the_server_sent_them(client, response_format, beginning):
    got = client.transcribe(b"one two", response_format=response_format)
    assert got.body.startswith(beginning)
    assert got.text == got.body.strip()
    assert got.audio_s is None


def test_word_times_come_with_verbose_json(client):
    got = client.transcribe(
        b"one two", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert [word["word"] for word in got.fields["words"]] == ["one", "two"]
    assert got.audio_s == 2.0


def test_what_a_simulation_made_up_says_so(client):
    assert client.transcribe(b"x", model="pretender").simulated


def test_a_stream_yields_the_text_piece_by_piece(client):
    assert list(client.stream(b"one\ntwo")) == ["one", " two"]


def test_models_and_health_are_typed(client):
    models = client.models()
    names = ["parakeet-tiny", "pretender", "canary-tiny", "speakers", "espeak"]
    assert [model.name for model in models] == names
    assert [model.name for model in models if model.diarizes] == ["speakers"]
    assert models[0].aliases == ("parakeet", "tiny")
    assert models[0].licence == "CC-BY-4.0"
    assert models[1].simulated
    assert client.health()["status"] == "healthy"


def test_an_address_may_end_in_the_openai_path(site):
    with Client(f"{site.url}/v1/") as client:
        assert client.transcribe(b"yes").text == "yes"


def test_a_refusal_carries_status_code_and_message(client, site):
    site.backend.failures[b"x"] = [UndecodableAudioError("nothing in it")]
    with pytest.raises(ServerError) as refusal:
        client.transcribe(b"x")
    error = refusal.value
    assert (error.status, error.code) == (400, "undecodable_audio")
    assert error.message == "the audio cannot be decoded: nothing in it"
    assert error.request_id
    assert error.retry_after_s is None
    assert len(site.backend.calls) == 1


def test_a_full_server_is_asked_again_after_the_pause_it_names(site):
    pauses = []
    site.backend.failures[b"x"] = [AtCapacityError("it", 7.0), ModelUnavailableError("m", 3.0)]
    with Client(site.url, sleep=pauses.append) as client:
        got = client.transcribe(b"x")
    assert got.num_attempts == 3
    assert 7.0 <= pauses[0] <= 8.75
    assert 3.0 <= pauses[1] <= 3.75


def test_a_server_that_stays_full_is_given_up_after_the_last_retry(site):
    pauses = []
    site.backend.failures[b"x"] = [AtCapacityError("it", 1.0) for _ in range(9)]
    with (
        Client(site.url, max_retries=2, sleep=pauses.append) as client,
        pytest.raises(ServerError, match="at capacity") as refusal,
    ):
        client.transcribe(b"x")
    assert len(pauses) == 2
    assert refusal.value.retry_after_s == 1.0


def test_a_pause_beyond_the_bound_is_not_waited_for(peer):
    full = peer(answer("503 Service Unavailable", "{}", "Retry-After: 3600"))
    with (
        Client(full.url, sleep=lambda _: pytest.fail("waited")) as client,
        pytest.raises(ServerError) as refusal,
    ):
        client.transcribe(b"x")
    assert refusal.value.retry_after_s == 3600.0


def test_a_retry_after_that_is_a_date_is_understood(peer):
    pauses = []
    date = formatdate(time.time() + 20, usegmt=True)
    later = peer(answer("503 Service Unavailable", "", f"Retry-After: {date}"), GOOD)
    with Client(later.url, sleep=pauses.append) as client:
        assert client.transcribe(b"x").text == "at last"
    assert 15 < pauses[0] <= 25


def test_a_proxy_that_has_lost_its_ingress_is_asked_again_and_a_failing_server_is_not(peer):
    lost = peer(answer("500 Internal Server Error", "Internal Server Error"), GOOD)
    with Client(lost.url, sleep=lambda _: None) as client:
        assert client.transcribe(b"x").num_attempts == 2
    failed = '{"error": {"message": "oh", "code": "engine_failed"}}'
    failing = peer(answer("500 Internal Server Error", failed), GOOD)
    with (
        Client(failing.url, sleep=lambda _: pytest.fail("waited")) as client,
        pytest.raises(ServerError, match="oh"),
    ):
        client.transcribe(b"x")


def test_a_file_is_sent_whole_at_each_attempt(peer, recording):
    full = peer(BUSY, GOOD)
    with Client(full.url, sleep=lambda _: None) as client:
        client.transcribe(recording("talk.wav", "all of it"))
    assert [b"all of it" in request for request in full.requests] == [True, True]
    assert b'filename="talk.wav"' in full.requests[0]


def test_a_connection_that_breaks_is_tried_again_with_growing_pauses(peer):
    pauses = []
    flaky = peer(b"", b"", GOOD)
    with Client(flaky.url, sleep=pauses.append) as client:
        assert client.transcribe(b"x").num_attempts == 3
    assert pauses[0] <= 0.625
    assert 1.0 <= pauses[1] <= 1.25


def test_a_connection_that_keeps_breaking_is_an_error_of_its_own(peer):
    flaky = peer(b"", b"")
    with (
        Client(flaky.url, max_retries=1, sleep=lambda _: None) as client,
        pytest.raises(ConnectionLostError, match="was lost"),
    ):
        client.transcribe(b"x")


def test_a_stream_that_breaks_off_is_no_complete_text(peer):
    event = 'data: {"type": "transcript.text.delta", "delta": "half"}\n\n'
    broken = peer(answer("200 OK", event, "Content-Type: text/event-stream"))
    with Client(broken.url) as client:
        pieces = client.stream(b"x")
        assert next(pieces) == "half"
        with pytest.raises(ConnectionLostError, match="before its last event"):
            next(pieces)


def test_an_error_in_the_middle_of_a_stream_is_raised(peer):
    event = 'data: {"type": "error", "error": {"code": "engine_failed", "message": "oh"}}\n\n'
    broken = peer(answer("200 OK", event))
    with Client(broken.url) as client, pytest.raises(ServerError, match="oh"):
        list(client.stream(b"x"))


def test_an_error_page_of_a_proxy_is_shown_as_far_as_it_goes(peer):
    proxy = peer(answer("502 Bad Gateway", "<h1>no upstream</h1>"))
    with Client(proxy.url) as client, pytest.raises(ServerError) as refusal:
        client.transcribe(b"x")
    assert str(refusal.value) == "<h1>no upstream</h1> (502 http_error)"


def test_a_server_of_another_kind_is_told_apart(peer):
    with Client(peer(answer("200 OK", "<html>")).url) as client, pytest.raises(ServerError):
        client.models()


def test_the_api_key_is_sent_as_a_bearer_token(peer):
    strict = peer(GOOD)
    with Client(strict.url, "secret") as client:
        client.transcribe(b"x")
    assert b"authorization: bearer secret" in strict.requests[0].lower()


def test_an_address_where_nobody_listens_says_how_to_start_a_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}") as client,
        pytest.raises(UnreachableError, match=r"chorus serve configs/tiny\.yaml"),
    ):
        client.health()


def test_a_server_that_takes_too_long_is_given_up(site):
    site.backend.waits_for[b"x"] = b"what never comes"
    with (
        Client(site.url, timeout_s=0.2) as client,
        pytest.raises(AnswerTimeoutError, match=r"within 0\.2 s"),
    ):
        client.transcribe(b"x")


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("http://x", "refused"),
        ConnectionLostError("http://x", "reset"),
        AnswerTimeoutError("http://x", 3.0),
        ServerError(429, "at_capacity", "full", 2.0, "id"),
    ],
)
def test_errors_survive_pickling(error):
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_diarize_is_the_format_with_speakers(site):
    with Client(site.url) as client:
        answer = client.transcribe(b"Yes?\nGo on.\nNo.", diarize=True)
        assert answer.format == "diarized_json"
        assert [each["speaker"] for each in answer.fields["segments"]] == ["A", "A", "B"]
        assert (answer.text, answer.audio_s) == ("Yes? Go on. No.", 6.0)
        with pytest.raises(ValueError, match="srt has no place"):
            client.transcribe(b"Yes?", diarize=True, response_format="srt")
