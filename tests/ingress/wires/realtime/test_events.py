"""`/v1/realtime` by its frames: what other clients than OpenAI's send, and what nobody should."""

import asyncio
import base64

import pytest

from serve_app.audio.frames import _ALAW, _MULAW
from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.wires.conftest import WAITING, messages_of, silence, speech
from tests.ingress.wires.realtime.frames import (
    CLEAR,
    COMMIT,
    T,
    append,
    at_24k,
    deltas,
    say,
    until,
    update,
)

pytestmark = pytest.mark.asyncio

PATH = "/v1/realtime?intent=transcription"
MANUAL = update(turn_detection=None)


async def test_pipecats_first_frames_are_understood(open_site) -> None:
    """It waits for `session.created`, and takes any `error` for the end."""
    site = await open_site()
    async with await site.open(PATH) as client:
        await until(client, "session.created")
        await say(
            client,
            update(
                format={"type": "audio/pcm", "rate": 24000},
                transcription={"model": "gpt-realtime-whisper", "language": "en"},
                turn_detection=None,
            ),
            append(at_24k(speech(1, 1.0))),
            COMMIT,
        )
        events = await until(client, f"{T}.completed")
    assert events[0]["type"] == "session.updated"
    assert not [event for event in events if event["type"] == "error"]
    assert events[-1]["transcript"] == deltas(events, events[-1]["item_id"])


async def test_livekits_first_frames_are_understood(open_site) -> None:
    """It sends its update at once, and concatenates the deltas."""
    site = await open_site()
    async with await site.open(f"{PATH}&model=gpt-4o-mini-transcribe") as client:
        await say(
            client,
            update(
                format={"type": "audio/pcm", "rate": 24000},
                noise_reduction=None,
                transcription={"model": "gpt-4o-mini-transcribe", "prompt": "", "language": ""},
                turn_detection={
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 600,
                    "silence_duration_ms": 350,
                },
            ),
            append(at_24k(silence(0.2) + speech(1, 1.0) + silence(0.6))),
        )
        events = await until(client, f"{T}.completed")
    assert [event["type"] for event in events[:2]] == ["session.created", "session.updated"]
    shown = events[1]["session"]["audio"]["input"]
    assert shown["turn_detection"]["silence_duration_ms"] == 350
    assert shown["transcription"]["language"] is None


@pytest.mark.parametrize(("name", "table"), [("audio/pcmu", _MULAW), ("audio/pcma", _ALAW)])
async def test_telephone_audio_says_what_the_same_samples_say_as_pcm(
    open_site, name, table
) -> None:
    site = await open_site()
    coded = speech(1, 1.0)[:8000]
    decoded = table[list(coded)].astype("<i2").tobytes()
    texts = []
    for audio_format, audio in (
        ({"type": name}, coded),
        ({"type": "audio/pcm", "rate": 8000}, decoded),
    ):
        async with await site.open(PATH) as client:
            await say(client, update(format=audio_format, turn_detection=None))
            shown = (await until(client, "session.updated"))[-1]["session"]["audio"]["input"]
            assert shown["format"] == audio_format
            await say(client, append(audio), COMMIT)
            texts.append((await until(client, f"{T}.completed"))[-1]["transcript"])
    assert texts[0] == texts[1]
    assert len(texts[0].split()) == 13


async def test_a_sample_may_be_cut_in_two(open_site) -> None:
    site = await open_site()
    pcm = at_24k(speech(1, 0.5))
    texts = []
    for size in (len(pcm), 1001):
        async with await site.open(PATH) as client:
            await say(client, MANUAL)
            await say(client, *(append(pcm[at : at + size]) for at in range(0, len(pcm), size)))
            await say(client, COMMIT)
            texts.append((await until(client, f"{T}.completed"))[-1]["transcript"])
    assert texts[0] == texts[1]


async def test_what_is_cleared_is_never_told(open_site) -> None:
    site = await open_site()
    async with await site.open(PATH) as client:
        await say(client, MANUAL, append(at_24k(speech(1, 0.5))), CLEAR)
        before = await until(client, "input_audio_buffer.cleared")
        await say(client, append(at_24k(speech(2, 0.5))), COMMIT)
        events = await until(client, f"{T}.completed")
        done = events[-1]
        assert done["transcript"] == deltas(events, done["item_id"])
        assert done["item_id"] not in {event.get("item_id") for event in before}
        assert done["usage"]["seconds"] == pytest.approx(0.5, abs=0.05)
    async with await site.open(PATH) as client:
        await say(client, MANUAL, append(at_24k(speech(2, 0.5))), COMMIT)
        alone = (await until(client, f"{T}.completed"))[-1]["transcript"]
    # The model of these tests knows its audio: nothing of what was cleared is in it.
    assert done["transcript"] == alone


async def test_a_long_utterance_is_one_item_of_several_segments(open_site) -> None:
    site = await open_site()  # whose model ends segments after 4 s
    async with await site.open(PATH) as client:
        await say(client, MANUAL)
        for seed in range(9):
            await say(client, append(at_24k(speech(seed, 1.0))))
        await say(client, COMMIT)
        events = await until(client, f"{T}.completed")
    done = events[-1]
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1
    assert len(done["transcript"].split()) == 113
    assert done["transcript"] == deltas(events, done["item_id"])
    assert "  " not in done["transcript"]


async def test_a_client_may_commit_while_voice_activity_is_watched(open_site) -> None:
    site = await open_site()
    async with await site.open(PATH) as client:
        await say(client, append(at_24k(speech(1, 1.0))), COMMIT)
        first = await until(client, f"{T}.completed")
        await say(client, append(at_24k(speech(2, 1.0) + silence(1.0))))
        second = await until(client, f"{T}.completed")
    kinds = [event["type"].rpartition(".")[2] for event in first]
    turns = [kind for kind in kinds if kind not in ("created", "delta")]
    assert turns == ["speech_started", "speech_stopped", "committed", "completed"]
    assert second[-1]["item_id"] != first[-1]["item_id"]
    committed = next(event for event in second if event["type"].endswith("committed"))
    assert committed["previous_item_id"] == first[-1]["item_id"]


@pytest.mark.parametrize("unwatched", [silence(0.2), speech(2, 0.5)])
async def test_voice_activity_that_is_turned_on_ends_what_was_said_without(
    open_site, unwatched
) -> None:
    site = await open_site()
    async with await site.open(PATH) as client:
        await say(client, MANUAL, append(at_24k(unwatched)))
        await say(client, update(turn_detection={"type": "server_vad"}))
        await say(client, append(at_24k(silence(0.5) + speech(1, 1.0) + silence(1.2))))
        events = await until(client, f"{T}.completed", num=2)
    kinds = [event["type"] for event in events if event["type"].startswith("input_audio")]
    assert kinds == [
        "input_audio_buffer.committed",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    assert events[-1]["transcript"]


async def test_transcription_that_is_off_commits_and_says_nothing(open_site) -> None:
    site = await open_site()
    async with await site.open(PATH) as client:
        await say(client, update(transcription=None, turn_detection=None))
        await say(client, append(at_24k(speech(1, 0.5))), COMMIT)
        events = await until(client, "input_audio_buffer.committed")
        await say(client, CLEAR)
        events += await until(client, "input_audio_buffer.cleared")
    assert not [event for event in events if event["type"].startswith(T)]


async def test_words_carry_their_probabilities_where_asked_for(open_site) -> None:
    """The model of these tests knows none, which is told as null."""
    site = await open_site()
    async with await site.open(PATH) as client:
        event = {**MANUAL, "session": {**MANUAL["session"], "include": [f"item.{T[18:]}.logprobs"]}}
        await say(client, event, append(at_24k(speech(1, 0.5))), COMMIT)
        events = await until(client, f"{T}.completed")
    assert events[1]["session"]["include"] == ["item.input_audio_transcription.logprobs"]
    assert events[-1]["logprobs"] is None


async def test_a_model_that_fails_is_told_for_each_item_that_waits(open_site) -> None:
    site = await open_site(FakeHost(8))
    good, deadly = speech(1, 0.4), speech(2, 0.4)
    for replica in site.host.replicas:
        replica.deadly_pcm = deadly[:100]
    async with await site.open(PATH) as client:
        await say(client, update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=None))
        await say(client, append(good), COMMIT)
        await until(client, f"{T}.completed")
        await say(client, append(deadly), COMMIT)
        async with asyncio.timeout(WAITING):
            said = await messages_of(client)
    assert [event["type"] for event in said[-3:]] == [
        "input_audio_buffer.committed",
        f"{T}.failed",
        "error",
    ]
    assert said[-2]["item_id"] == said[-3]["item_id"]
    assert said[-2]["error"]["code"] == said[-1]["error"]["code"] == "engine_failed"
    assert said[-1]["error"]["type"] == "server_error"
    assert (client.close_code, client.close_reason) == (1011, "engine_failed")


async def test_audio_of_fifteen_mebibytes_comes_in_one_event(open_site) -> None:
    site = await open_site(streams={"max_stream_s": 3600})
    audio = base64.b64encode(bytes(11 * 1024 * 1024)).decode()
    async with await site.open(PATH) as client:
        await say(client, MANUAL, {"type": "input_audio_buffer.append", "audio": audio}, COMMIT)
        done = (await until(client, f"{T}.completed"))[-1]
    assert done["usage"]["seconds"] == pytest.approx(11 * 1024 * 1024 / 48_000, abs=0.01)
