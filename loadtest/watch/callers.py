"""A server in; everything that one has to see of it provoked, out: a small load of every kind, some
mistakes, too much at once, and replicas that die."""

import asyncio
import io
import random
import re
import threading
import time
import wave
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loadtest.watch.server import KEY, POOR_KEY, ROOT, Server
from serve_app.client import Client, ClientError, LiveStream

SAMPLES = sorted((ROOT / "tiny/samples").glob("digits-*"))
PHRASES = sorted((ROOT / "tiny/samples/canary").glob("*-*.*"))
SPOKEN = ROOT / "tiny/samples/digits-1.wav"
_TIMES_OVER = 3
"""Said again, until a stream has some length."""
_BUSY_TIMES_OVER, _BUSY_WITHIN_S = 40, 30.0
"""Some minutes, which the model is at for a while."""
_WAITING = re.compile(r'^ray_chorus_waiting_chunks\{.*model="parakeet-tiny".*\} ([0-9.]+)', re.M)
_PATH = "/v1/audio/transcriptions"
_HEADERS = {"Authorization": f"Bearer {KEY}"}
_PIECE_S = 0.1
_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Load:
    """Callers in threads, until they are told to stop."""

    server: Server
    outcomes: Counter[str] = field(default_factory=Counter)
    """How often which kind of call ended how."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, for_s: float, *, kills: bool = True) -> None:
        """Everything at once. With `kills` a replica of either kind of model, and a
        decoder, die in the middle."""
        kinds: list[tuple[Callable[[], None], float]] = [
            *[(self.upload, 0.2)] * 3,
            (self.translate, 0.5),
            (self.read_events, 0.5),
            *[(self.speak, 0.2)] * 4,
            (self.hand_in_a_job, 3.0),
            (self.make_mistakes, 1.0),
            (self.ask_too_much, for_s / 4),
        ]
        with ThreadPoolExecutor(len(kinds)) as callers:
            running = [callers.submit(self._again, *kind) for kind in kinds]
            self._stop.wait(for_s / 2)
            if kills:
                self._kill()
            self._stop.wait(for_s / 2)
            self._stop.set()
            for each in running:
                each.result()

    def _kill(self) -> None:
        """While they are at work: what a replica had not taken yet, Serve itself gives another."""
        with ThreadPoolExecutor(12) as crowd:
            long = wav_of(pcm_of(SPOKEN) * _BUSY_TIMES_OVER)
            posted = [crowd.submit(self._post, long) for _ in range(12)]
            self._wait_for_chunks()
            model = self.server.process_of("ServeReplica:chorus:parakeet-tiny")
            streaming = self.server.process_of("ServeReplica:chorus:parakeet-streaming-tiny")
            for each in (model, streaming, self.server.process_of("audio.sandbox.child")):
                if each is not None:
                    each.kill()
            for each in posted:
                with suppress(httpx.HTTPError):
                    each.result()

    def _wait_for_chunks(self) -> None:
        """Until some wait in the replica."""
        give_up_at = time.monotonic() + _BUSY_WITHIN_S
        while time.monotonic() < give_up_at and not self._stop.wait(0.2):
            scraped = httpx.get(self.server.metrics_url, timeout=_TIMEOUT_S).text
            if any(float(found) > 0 for found in _WAITING.findall(scraped)):
                return

    def _again(self, call: Callable[[], None], pause_s: float) -> None:
        while not self._stop.is_set():
            try:
                call()
                self.outcomes[f"{call.__name__}: answered"] += 1
            except (ClientError, httpx.HTTPError) as error:
                self.outcomes[f"{call.__name__}: {type(error).__name__}"] += 1
            self._stop.wait(pause_s)

    def upload(self) -> None:
        with self._client() as client:
            client.transcribe(random.choice(SAMPLES))

    def translate(self) -> None:
        with self._client() as client:
            client.transcribe(random.choice(PHRASES), model="canary")

    def read_events(self) -> None:
        with self._client() as client:
            for _ in client.stream(random.choice(SAMPLES)):
                pass

    def speak(self, *, faster: float = 1.0) -> None:
        asyncio.run(speak(self.server.url, faster=faster))

    def hand_in_a_job(self) -> None:
        with self._client() as client:
            client.jobs.submit([str(each) for each in random.sample(SAMPLES, 4)])

    def make_mistakes(self) -> None:
        with httpx.Client(base_url=self.server.url, headers=_HEADERS, timeout=_TIMEOUT_S) as http:
            http.post(_PATH, files={"file": b"no audio at all"})
            http.post(_PATH, files={"file": SAMPLES[0].read_bytes()}, data={"model": "nobody"})
            http.post(_PATH, files={"file": SAMPLES[0].read_bytes()}, data={"language": "ja"})
            http.get("/nowhere")
            http.get("/ready")  # 503 while a model has no replica
            http.get("/v1/models", headers={"Authorization": "Bearer wrong"})
            for _ in range(2):
                http.get("/v1/models", headers={"Authorization": f"Bearer {POOR_KEY}"})

    def ask_too_much(self) -> None:
        """More uploads than there are places, and more streams than slots."""
        with ThreadPoolExecutor(56) as crowd:
            short = SAMPLES[0].read_bytes()
            posted = [crowd.submit(self._post, short) for _ in range(40)]
            spoken = [crowd.submit(self.speak, faster=2.0) for _ in range(16)]
            for each in (*posted, *spoken):
                with suppress(ClientError, httpx.HTTPError):
                    each.result()

    def _post(self, audio: bytes) -> None:
        url, files = self.server.url + _PATH, {"file": audio}
        httpx.post(url, files=files, headers=_HEADERS, timeout=_TIMEOUT_S)

    def _client(self) -> Client:
        return Client(self.server.url, KEY, timeout_s=_TIMEOUT_S, max_retries=2)


async def speak(url: str, *, faster: float = 1.0) -> str:
    """A recording as it is spoken; the final text.

    Raises:
        ClientError: it is refused, or ends early.
    """
    pcm = pcm_of(SPOKEN) * _TIMES_OVER
    piece = int(16_000 * _PIECE_S) * 2
    async with LiveStream(url, KEY, language="en") as stream:
        reading = asyncio.create_task(_last_text(stream))
        try:
            began_at = time.monotonic()
            for number, start in enumerate(range(0, len(pcm), piece), start=1):
                await stream.send(pcm[start : start + piece])
                due_s = number * _PIECE_S / faster - (time.monotonic() - began_at)
                await asyncio.sleep(max(0.0, due_s))
            await stream.finish()
            return await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _last_text(stream: LiveStream) -> str:
    text = ""
    async for each in stream:
        text = each.text
    return text


def pcm_of(path: Path) -> bytes:
    """Of a WAV of 16 kHz, mono, 16 bits."""
    with wave.open(str(path)) as recording:
        return recording.readframes(recording.getnframes())


def wav_of(pcm: bytes) -> bytes:
    """16 kHz, mono, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(pcm)
    return file.getvalue()
