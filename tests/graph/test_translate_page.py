"""The page of conversations before the whole graph: a recording for a microphone, the tiny Canary,
and espeak's voice."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.chromium import as_microphone, visitor
from tests.browser.watching import ALLOWED, CATCH, ENGLISH_TO_RUSSIAN, caught, texts
from tests.graph.conftest import ROOT, Server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def test_somebody_speaks_english_and_the_page_speaks_russian(
    running_server: Server, tmp_path: Path
) -> None:
    # "Add rice and coffee to the list."
    recording = ROOT / "tiny" / "samples" / "canary" / "en-1.wav"
    microphone = as_microphone(recording, tmp_path / "microphone.wav", tail_s=20.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.add_init_script(CATCH)
        await someone.comes(running_server.address + ENGLISH_TO_RUSSIAN)
        await someone.speaks()
        await expect(someone.page.locator(".row.is-sounding")).to_be_attached(timeout=60_000)
        await someone.stops_talking()
        said, became = (await texts(someone))[0]
        played = (await caught(someone))["played"]
    assert "rice" in said
    assert "рис" in became
    assert max(sound["peak"] for sound in played) > 0.1
    assert sum(sound["durationS"] for sound in played) > 1.0
