"""Speech in the whole graph: real voices through real sockets, and what becomes of them when who
speaks is killed."""

import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import httpx
import pytest

from serve_app.wer import count_errors
from tests.graph.conftest import Server, eventually

FORMATS = ("mp3", "opus", "aac", "flac", "wav")
SENTENCE = "The window on the other side of the house is open. "


def speak(server: Server, text: str, **options: Any) -> bytes:
    body = {"input": text, "response_format": "pcm", **options}
    response = httpx.post(f"{server.address}/v1/audio/speech", json=body, timeout=180)
    assert response.status_code == 200, response.text
    return response.content


def duration_s(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return sum(frame.samples / frame.sample_rate for frame in frames)


def test_the_sdk_gets_every_format_at_its_length(running_server: Server) -> None:
    plain_s = len(speak(running_server, SENTENCE)) / 2 / 24_000
    assert 2 < plain_s < 6
    for name in FORMATS:
        answer = running_server.openai.audio.speech.create(
            model="tts-1", voice="alloy", input=SENTENCE, response_format=name
        )
        assert duration_s(answer.read()) == pytest.approx(plain_s, abs=0.2), name


def test_the_first_sound_comes_before_all_is_spoken(running_server: Server) -> None:
    with running_server.openai.audio.speech.with_streaming_response.create(
        model="espeak", voice="amy", input=SENTENCE * 70, response_format="pcm"
    ) as response:
        pieces = response.iter_bytes(4096)
        first = next(pieces)
        rest = b"".join(pieces)
    assert len(rest) > 100 * len(first)


def test_what_is_spoken_is_understood(running_server: Server) -> None:
    """By the tiny model of recordings, which learnt from voices like these."""
    digits = "four one nine two seven"
    sound = speak(running_server, digits, voice="bob", response_format="wav")
    heard = running_server.openai.audio.transcriptions.create(
        model="parakeet", file=("digits.wav", sound)
    )
    assert count_errors(digits, heard.text.lower().strip(". ")).rate <= 0.2


def test_a_replica_that_is_killed_costs_a_pause_and_no_sound(running_server: Server) -> None:
    texts = [f"Number {index}. {SENTENCE * 20}" for index in range(6)]
    expected = [speak(running_server, text) for text in texts]
    with ThreadPoolExecutor(len(texts)) as pool:
        asked = [pool.submit(speak, running_server, text) for text in texts]
        pid = running_server.kill("espeak")
        assert [each.result() for each in asked] == expected
    eventually(lambda: running_server.replicas("espeak")[0].pid != pid, within_s=60)


def test_the_child_that_speaks_may_be_killed(running_server: Server) -> None:
    expected = speak(running_server, SENTENCE)
    (child,) = running_server.replica("espeak").children()
    os.kill(child.pid, signal.SIGKILL)
    assert speak(running_server, SENTENCE) == expected


def test_many_at_once_each_hear_their_own_words(running_server: Server) -> None:
    texts = [f"This is number {index}. {SENTENCE}" for index in range(12)]
    voices = ["amy", "bob", "boris", "espeak-de"] * 3
    with ThreadPoolExecutor(len(texts)) as pool:
        together = list(
            pool.map(
                lambda each: speak(running_server, each[0], voice=each[1]),
                zip(texts, voices, strict=True),
            )
        )
    alone = [
        speak(running_server, text, voice=voice) for text, voice in zip(texts, voices, strict=True)
    ]
    assert together == alone
    assert len(set(together)) == len(texts)


def test_speech_is_counted(running_server: Server) -> None:
    speak(running_server, SENTENCE)
    name = "ray_chorus_speech_seconds_total{"
    eventually(lambda: name in running_server.get("/metrics").text)
