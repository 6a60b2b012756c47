"""Live streams on the real server and the real model: held for long, killed under, cut off.

`configs/tiny.yaml` as it is, real people's digits, real sockets, real SIGKILLs.
"""

import asyncio
import base64
import json
import math
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soxr
import yaml
from websockets.asyncio.client import connect

from loadtest.streams.speakers import Stream, speak_all
from loadtest.streams.utterances import Recording, recording
from serve_app import server
from serve_app.wer import count_errors
from tests.browser.chromium import as_microphone, visitor, write_wav
from tests.graph.conftest import ROOT, Server, free_port

MODEL = "parakeet-streaming-tiny"
HELD_S = float(os.environ.get("HELD_S", "600"))
NUM_KILLS = int(os.environ.get("NUM_KILLS", "10"))
NUM_STREAMS = 20
MIB = 1 << 20

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * HELD_S + 2400)]


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("configs")
    document = yaml.safe_load((ROOT / "configs/tiny.yaml").read_text())
    document["applications"][0]["args"]["metrics_port"] = free_port()
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    os.environ["RAY_metrics_report_interval_ms"] = "500"  # noqa: SIM112  # as Ray spells it
    with server.running(path, port=free_port()) as address:
        yield Server(address, path)


def speak(address: str, recordings: list[Recording]) -> list[Stream]:
    return asyncio.run(speak_all(address, MODEL, recordings, apart_s=1.0))


def test_no_stream_loses_or_changes_a_word_when_its_replica_is_killed(tiny_server: Server) -> None:
    recordings = [recording(seed, at_least_s=10.0) for seed in range(NUM_STREAMS)]
    undisturbed = speak(tiny_server.address, recordings)
    assert [stream.failure for stream in undisturbed] == [None] * NUM_STREAMS
    expected = [stream.text for stream in undisturbed]
    rng = random.Random(5)
    for _ in range(NUM_KILLS):
        after_s = rng.uniform(2.0, 10.0)
        killer = threading.Timer(after_s, tiny_server.kill, [MODEL])
        killer.start()
        streams = speak(tiny_server.address, recordings)
        killer.join()
        assert [stream.failure for stream in streams] == [None] * NUM_STREAMS
        assert [stream.text for stream in streams] == expected


def test_every_wire_holds_a_stream_for_ten_minutes(tiny_server: Server) -> None:
    said = [recording(seed, at_least_s=HELD_S) for seed in range(3)]

    async def all_at_once() -> list[str]:
        address = tiny_server.address
        return list(
            await asyncio.gather(
                _through_asr(address, said[0]),
                _through_op(address, said[1]),
                _through_realtime(address, said[2]),
            )
        )

    texts = asyncio.run(all_at_once())
    for one, text in zip(said, texts, strict=True):
        assert count_errors(list(one.words), text.split()).rate <= 0.05


@pytest.mark.asyncio
async def test_the_page_holds_a_stream_for_ten_minutes(tiny_server: Server, tmp_path: Path) -> None:
    said = recording(7, at_least_s=HELD_S)
    spoken = write_wav(tmp_path / "spoken.wav", said.pcm)
    microphone = as_microphone(spoken, tmp_path / "microphone.wav", lead_s=3.0)
    async with visitor(microphone, flags=("--use-fake-ui-for-media-stream",)) as someone:
        await someone.comes(tiny_server.address)
        await someone.page.select_option("#model", MODEL)
        await someone.speaks()
        await someone.listens_until(math.ceil(said.duration_s) + 4)
        text = await someone.stops()
    assert count_errors(list(said.words), text.split()).rate <= 0.05
    assert someone.complaints == []


def test_a_thousand_sessions_half_of_them_cut_off_leave_nothing_behind(tiny_server: Server) -> None:
    asyncio.run(_many_sessions(tiny_server.address, 200))
    began = _held(tiny_server)
    asyncio.run(_many_sessions(tiny_server.address, 1000))
    ended = _held(tiny_server)
    for name, (memory_mib, num_open) in began.items():
        assert ended[name][0] - memory_mib <= max(24.0, memory_mib / 10), name
        assert ended[name][1] - num_open <= 8, name
    assert _slots_in_use(tiny_server) == 0
    again = speak(tiny_server.address, [recording(1, at_least_s=5.0)])
    assert again[0].failure is None


async def _through_asr(address: str, said: Recording) -> str:
    [stream] = await speak_all(address, MODEL, [said], apart_s=0)
    assert stream.failure is None
    return stream.text


async def _through_op(address: str, said: Recording) -> str:
    async with connect(address.replace("http", "ws", 1) + "/") as socket:
        await socket.send(json.dumps({"op": "init", "sid": "1", "sr": 16000}))

        async def send() -> None:
            async for packet in _paced(said.pcm, 640):
                await socket.send(packet)
            await socket.send(json.dumps({"op": "close", "sid": "1"}))

        sending = asyncio.create_task(send())
        text = ""
        async for message in socket:
            event = json.loads(message)
            assert event["op"] == "interim", event
            text = event["text"]
            if event["final"]:
                break
        await sending
    return text


async def _through_realtime(address: str, said: Recording) -> str:
    client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none")
    samples = np.frombuffer(said.pcm, "<i2")
    pcm = soxr.resample(samples, 16_000, 24_000).astype("<i2").tobytes()
    async with client.realtime.connect(model=MODEL) as connection:
        texts: list[str] = []
        over = asyncio.Event()

        async def send() -> None:
            async for packet in _paced(pcm, 9600, bytes_per_s=48_000):
                await connection.input_audio_buffer.append(audio=base64.b64encode(packet).decode())
            over.set()
            await connection.input_audio_buffer.commit()

        sending = asyncio.create_task(send())
        deltas = ""
        async for event in connection:
            assert event.type != "error", event
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta
            if event.type == "conversation.item.input_audio_transcription.completed":
                assert event.transcript.split() == deltas.split()
                texts.append(event.transcript)
                deltas = ""
                if over.is_set():
                    break
        await sending
    return " ".join(texts)


async def _paced(pcm: bytes, size: int, bytes_per_s: int = 32_000):  # type: ignore[no-untyped-def]
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for start in range(0, len(pcm), size):
        await asyncio.sleep(began_at + (start + size) / bytes_per_s - loop.time())
        yield pcm[start : start + size]


async def _many_sessions(address: str, count: int) -> None:
    places = asyncio.Semaphore(16)
    url = address.replace("http", "ws", 1) + f"/asr?model={MODEL}"

    async def one(number: int) -> None:
        rng = random.Random(number)
        said = recording(number % 8, at_least_s=3.0)
        async with places, connect(url, close_timeout=5) as socket:
            await socket.recv()
            await socket.send(said.pcm[: 2 * rng.randrange(1600, 24000)])
            if number % 2:
                await asyncio.wait_for(socket.recv(), 60)
                socket.transport.abort()
                return
            await socket.send(b"")
            async for message in socket:
                if json.loads(message)["type"] == "final":
                    break

    await asyncio.gather(*map(one, range(count)))


def _held(server: Server) -> dict[str, tuple[float, int]]:
    """Of the two kinds of process that a stream goes through: memory of their own, descriptors."""
    held = {}
    for name in ("Ingress", MODEL):
        process = server.replica(name)
        held[name] = (process.memory_full_info().uss / MIB, process.num_fds())
    return held


def _slots_in_use(server: Server) -> float:
    metrics = httpx.get(f"{server.address}/metrics", timeout=30).text
    lines = [line for line in metrics.splitlines() if "slots_in_use{" in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
