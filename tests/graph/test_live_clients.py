"""Recorded human digits through `/asr`: spoken to the page in Chromium, and by `chorus listen`."""

import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest
from openai import AsyncOpenAI

from serve_app.cli import main
from serve_app.cli.listen.recording import duration_s, read_recording
from serve_app.wer import count_errors
from tests.browser.chromium import as_microphone, heard_well, must_be_heard, visitor, write_wav
from tests.graph.conftest import ROOT, Server

SAMPLES = ROOT / "tiny" / "samples"
FILES = ("digits-1.wav", "digits-2.flac", "digits-3.mp3")
MAX_ERRORS = 2
"""Of 17 words of one whom the model has never heard."""


@pytest.fixture
def model(running_server: Server) -> str:
    """The trained one of those that take live streams."""
    entries = running_server.get("/v1/models").json()["data"]
    [live] = [each["id"] for each in entries if each["streaming"] and not each["simulated"]]
    return str(live)


@pytest.fixture
def spoken(tmp_path: Path) -> tuple[Path, list[str]]:
    """Three recordings with a second between them, and their words."""
    pause = np.zeros(16_000, np.int16).tobytes()
    pcm = pause.join(read_recording(SAMPLES / name) for name in FILES) + pause
    entries = json.loads((SAMPLES / "samples.json").read_text())
    texts = {entry["file"]: entry["text"] for entry in entries}
    words = " ".join(texts[name] for name in FILES).split()
    return write_wav(tmp_path / "spoken.wav", pcm), words


@pytest.mark.asyncio
async def test_digits_spoken_to_the_page_appear_on_it(
    running_server, model, spoken, tmp_path
) -> None:
    recording, words = spoken
    microphone = as_microphone(recording, tmp_path / "microphone.wav", lead_s=3.0)

    async def listens() -> None:
        async with visitor(microphone, flags=("--use-fake-ui-for-media-stream",)) as someone:
            await someone.comes(running_server.address)
            await someone.page.select_option("#model", model)
            await someone.speaks()
            await someone.sees("#latency", "text after")
            assert await someone.page.inner_text("#words")
            await someone.listens_until(math.ceil(duration_s(read_recording(recording))) + 4)
            text = await someone.stops()
            await someone.sees("#latency", "final after")
        assert someone.complaints == []
        must_be_heard(words, text, max_errors=MAX_ERRORS)

    await heard_well(listens)


def test_digits_streamed_from_a_file_are_written_line_by_line(
    running_server, model, spoken, capsys
):
    recording, words = spoken
    command = ["listen", str(recording), "--url", running_server.address, "--model", model]
    assert main(command) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    finals = [line.removeprefix("[FINAL] ") for line in lines if line.startswith("[FINAL] ")]
    assert count_errors(words, " ".join(finals).split()).total <= MAX_ERRORS
    assert any(line.startswith("[PARTIAL] ") for line in lines)
    assert "final text" in err


@pytest.mark.asyncio
async def test_a_pause_between_two_words_ends_no_segment_while_somebody_speaks(
    running_server, model
) -> None:
    """As OpenAI's SDK asks by default: voice activity, half a second of silence."""
    silence = bytes(2 * 2 * 16_000)
    pcm = read_recording(SAMPLES / "digits-8.wav") + silence
    client = AsyncOpenAI(base_url=f"{running_server.address}/v1", api_key="none")
    async with client, client.realtime.connect(model=model) as connection:
        audio = {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}
        await connection.session.update(session={"type": "transcription", "audio": audio})
        for start in range(0, len(pcm), 6400):
            packet = base64.b64encode(pcm[start : start + 6400]).decode()
            await connection.input_audio_buffer.append(audio=packet)
        async for event in connection:
            assert event.type != "error", event
            if event.type == "conversation.item.input_audio_transcription.completed":
                assert event.transcript.split() == ["three", "four"]
                return
