"""The TypeScript client: its own tests on the shared server, and a page of it in Chromium."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.async_api import expect

from serve_app.cli.listen.recording import read_recording
from tests.browser.chromium import (
    TEXT_TIMEOUT_MS,
    as_microphone,
    heard_well,
    must_be_heard,
    must_show,
    visitor,
    write_wav,
)
from tests.graph.conftest import ROOT, Server, eventually, free_port

CLIENT = ROOT / "clients" / "typescript"
EXAMPLES = ROOT / "examples" / "typescript"
SAMPLES = ROOT / "tiny" / "samples"
MAX_ERRORS = 1
"""Of four words of one whom the model has never heard, by way of the browser's microphone."""
PLACEHOLDER = "Press, and say some digits."
REST_TIMEOUT_MS = 20_000
"""From the first word to the last of a recording of three seconds."""
MICROPHONE = ("--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required")

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None
    or not (CLIENT / "dist").is_dir()
    or not (EXAMPLES / "dist").is_dir(),
    reason="the TypeScript client is not built: `make clients` does it, where there is Node",
)


def test_the_client_s_own_tests_pass(running_server: Server) -> None:
    tested = subprocess.run(
        [CLIENT / "node_modules/.bin/vitest", "run"],
        cwd=CLIENT,
        env={**os.environ, "SERVER_URL": running_server.address},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.fixture
def page(running_server: Server, tmp_path: Path) -> Iterator[str]:
    """The example's page, served by Vite in front of the server."""
    port = free_port()
    with (tmp_path / "vite.log").open("wb") as log:
        vite = subprocess.Popen(
            ["node_modules/.bin/vite", "preview", *f"--host 127.0.0.1 --port {port}".split()],
            cwd=EXAMPLES,
            env={**os.environ, "SERVER_URL": running_server.address},
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{port}/"))
        yield f"http://127.0.0.1:{port}/"
    finally:
        vite.terminate()
        vite.wait(10)


@pytest.mark.asyncio
async def test_a_page_with_the_component_hears_the_microphone(page, tmp_path) -> None:
    microphone = as_microphone(SAMPLES / "digits-1.wav", tmp_path / "microphone.wav", lead_s=2.0)
    await heard_well(lambda: _transcribes(page, microphone))


async def _transcribes(page: str, microphone: Path) -> None:
    async with visitor(microphone, flags=MICROPHONE) as someone:
        await someone.page.goto(page)
        await someone.page.get_by_role("button", name="Speak").click()
        words = someone.page.locator(".chorus-words")
        await expect(words).not_to_have_text(PLACEHOLDER, timeout=TEXT_TIMEOUT_MS)
        # The fourth and last word of the four.
        await must_show(expect(words).to_contain_text("three", timeout=REST_TIMEOUT_MS))
        await someone.page.get_by_role("button", name="Stop").click()
        section = someone.page.locator(".chorus-transcript")
        await expect(section).to_have_attribute("data-status", "idle", timeout=TEXT_TIMEOUT_MS)
        text = await words.inner_text()
    assert someone.complaints == []
    must_be_heard(["nine", "six", "five", "three"], text, max_errors=MAX_ERRORS)


@pytest.mark.asyncio
async def test_a_page_with_the_hook_shows_both_texts_and_plays_the_sound(page, tmp_path) -> None:
    pause = np.zeros(16_000, np.int16).tobytes()
    spoken = write_wav(tmp_path / "en.wav", read_recording(SAMPLES / "canary/en-1.wav") + pause)
    microphone = as_microphone(spoken, tmp_path / "microphone.wav", lead_s=2.0)
    await heard_well(lambda: _translates(page, microphone))


async def _translates(page: str, microphone: Path) -> None:
    async with visitor(microphone, flags=MICROPHONE) as someone:
        await someone.page.goto(page)
        await someone.page.get_by_role("button", name="Translate").click()
        told = someone.page.locator("ol li")
        source = told.first.locator("p").first
        await expect(source).to_have_text(re.compile(r"\w"), timeout=TEXT_TIMEOUT_MS)
        await must_show(expect(source).to_have_text("Add rice and coffee to the list."))
        # What was heard rightly is translated rightly, too, and once.
        await expect(told).to_have_count(1)
        await expect(told.locator("p[lang=ru]")).to_have_text("Добавь рис и кофе в список.")
        await expect(told.locator("small")).to_contain_text("ms", timeout=TEXT_TIMEOUT_MS)
        await someone.page.get_by_role("button", name="Stop").click()
        # Only once its sound has been heard to the end.
        section = someone.page.locator("section").nth(1)
        await expect(section).to_have_attribute("data-status", "idle", timeout=TEXT_TIMEOUT_MS)
    assert someone.complaints == []


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
