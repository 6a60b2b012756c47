"""The page in a headless Chromium: real sockets, a model of words that depend on every sample."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from serve_app.client import LiveStream
from serve_app.config import ServerConfig
from serve_app.ingress.auth import door
from tests.browser.chromium import as_microphone, visitor, write_wav
from tests.client.live_site import CONFIG, LiveSite, live_site, noise, wire_to
from tests.ingress.auth import ALICE, keys_file

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

DIGITS = Path(__file__).parents[2] / "tiny" / "samples" / "digits-2.flac"
ALLOWED = ("--use-fake-ui-for-media-stream",)
DENIED = ("--use-fake-ui-for-media-stream=deny",)
"""What is answered when the page asks whether it may hear."""
IPHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


@pytest_asyncio.fixture
async def site() -> AsyncIterator[LiveSite]:
    async with live_site(num_slots=8) as each:
        yield each


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return as_microphone(DIGITS, tmp_path / "microphone.wav")


async def text_of(url: str, pcm: bytes) -> str:
    """What a stream of the same audio says elsewhere."""
    async with LiveStream(url) as stream:
        await stream.send(pcm)
        await stream.finish()
        *_, last = [text async for text in stream]
    return last.text


async def test_browsers_get_the_page_and_everybody_else_the_json(site: LiveSite) -> None:
    async with httpx.AsyncClient(base_url=site.url) as client:
        page = await client.get("/", headers={"accept": "text/html,*/*;q=0.8"})
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
            answer = await client.get("/", headers={"accept": accept})
            assert answer.json()["name"] == "Chorus"
            assert answer.headers["vary"] == page.headers["vary"] == "Accept"
        names = re.findall(r'(?:src|href)="(web/[^"]+)"', page.text)
        for name in names:
            assert (await client.get(f"/{name}")).status_code == 200
        tag = page.headers["etag"]
        again = await client.get("/", headers={"accept": "text/html", "if-none-match": tag})
    assert len(names) == 3
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_lists_live_models_and_asks_nobody_else(site: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(site.url)
        models = await someone.page.locator("#model option").all_inner_texts()
        languages = await someone.page.locator("#language option").all_inner_texts()
    assert models == ["live · made-up words"]
    assert languages == ["English", "German"]
    assert someone.hosts == {f"127.0.0.1:{site.port}"}
    assert someone.complaints == []


async def test_spoken_words_appear_and_settle(site: LiveSite, microphone: Path) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.comes(site.url)
        await someone.speaks()
        page = someone.page
        await expect(page.locator("#words .unsure")).to_contain_text("EN", timeout=20_000)
        await expect(page.locator("#words .fresh").nth(5)).to_be_attached(timeout=20_000)
        await someone.sees("#latency", "text after")
        text = await someone.stops()
        await someone.sees("#latency", "final after")
        await expect(page.locator("#words .unsure")).to_be_empty()
    assert len(text.split()) > 5
    assert text == text.lower()
    assert someone.complaints == []


async def test_a_file_sent_fast_says_what_the_same_audio_says_anywhere(
    site: LiveSite, tmp_path: Path
) -> None:
    pcm = noise(9.03)
    async with visitor() as someone:
        await someone.comes(site.url)
        await someone.page.get_by_role("button", name="Fast").click()
        await someone.page.set_input_files("#file", write_wav(tmp_path / "noise.wav", pcm))
        await someone.sees("#words", "en")
        text = await someone.reads()
    assert text == await text_of(site.url, pcm)


async def test_a_file_dropped_is_played_and_its_words_appear(site: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(site.url)
        await someone.drops("digits.flac", DIGITS.read_bytes())
        await someone.sees("#state", "Playing")
        await someone.sees("#words", "en")
        assert len((await someone.reads()).split()) > 5
        await someone.sees("#latency", "half within")
        name = await someone.page.locator(".take").get_attribute("data-name")
    assert name == "digits.flac"


async def test_a_file_without_sound_is_told_so(site: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(site.url)
        await someone.drops("notes.txt", b"nothing to hear")
        await someone.sees("#notice", "finds no sound")
        await someone.sees("#state", "Ready")


async def test_who_is_not_allowed_to_hear_says_how_to_allow_it(
    site: LiveSite, microphone: Path
) -> None:
    async with visitor(microphone, flags=DENIED) as someone:
        await someone.comes(site.url)
        await someone.page.get_by_role("button", name="Speak").click()
        await someone.sees("#notice", "Allow the microphone")
        await someone.sees("#state", "Ready")


async def test_a_machine_without_a_microphone_is_offered_recordings(site: LiveSite) -> None:
    async with visitor(flags=ALLOWED) as someone:
        await someone.comes(site.url)
        await someone.page.get_by_role("button", name="Speak").click()
        await someone.sees("#notice", "No microphone was found")


async def test_a_full_server_is_told_apart_from_a_broken_one(microphone: Path) -> None:
    async with (
        live_site(num_slots=1) as site,
        LiveStream(site.url),
        visitor(microphone, flags=ALLOWED) as someone,
    ):
        await someone.comes(site.url)
        await someone.page.get_by_role("button", name="Speak").click()
        await someone.sees("#notice", "at capacity")


async def test_a_page_whose_socket_is_cut_loses_no_word(site: LiveSite, tmp_path: Path) -> None:
    pcm = noise(20.0)
    async with visitor() as someone, wire_to(site.port, *[200_000] * 40) as wire:
        wire.pause_s = 0.005
        await someone.comes(wire.url)
        await someone.page.get_by_role("button", name="Fast").click()
        await someone.page.set_input_files("#file", write_wav(tmp_path / "noise.wav", pcm))
        await someone.sees("#words", "en")
        text = await someone.reads()
    assert wire.num_cut >= 2
    assert text == await text_of(site.url, pcm)


async def test_where_keys_are_asked_for_the_page_asks_for_one(
    tmp_path: Path, microphone: Path
) -> None:
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    config = ServerConfig.model_validate(CONFIG.model_dump() | {"auth": auth})
    async with live_site(config) as site, visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.goto(site.url)
        for key, answer in (("chorus_mallory", "does not know this API key"), (ALICE, "Ready")):
            await someone.page.get_by_label("asks for an API key").fill(key)
            await someone.page.keyboard.press("Enter")
            await someone.sees("#state" if answer == "Ready" else "#notice", answer)
        await someone.speaks()
        await someone.sees("#words", "en")
        await someone.stops()


async def test_a_key_that_has_had_its_audio_is_told_so_and_keeps_its_text(
    tmp_path: Path, microphone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "RENEW_S", 0.1)
    auth = {"keys_file": keys_file(tmp_path, alice={"audio_s_per_day": 2.0})}
    config = ServerConfig.model_validate(CONFIG.model_dump() | {"auth": auth})
    async with live_site(config) as site, visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.goto(site.url)
        await someone.page.get_by_label("asks for an API key").fill(ALICE)
        await someone.page.keyboard.press("Enter")
        await someone.sees("#state", "Ready")
        await someone.speaks()
        await someone.sees("#notice", "used up its audio for today")
        assert "en" in await someone.reads()


async def test_the_keyboard_does_all_that_the_mouse_does(site: LiveSite, microphone: Path) -> None:
    may = ["clipboard-read", "clipboard-write", "microphone"]
    async with visitor(microphone, flags=ALLOWED, permissions=may) as someone:
        await someone.comes(site.url)
        keyboard = someone.page.keyboard
        await keyboard.press("Space")
        await someone.sees("#words", "en")
        await keyboard.press("Escape")
        text = await someone.reads()
        await keyboard.press("c")
        await someone.sees("#copy", "Copied")
        assert await someone.page.evaluate("navigator.clipboard.readText()") == text
        await keyboard.press("Delete")
        await someone.sees("#invitation", "Press the button")


async def test_the_page_fits_a_phone(site: LiveSite) -> None:
    async with visitor(**IPHONE) as someone:
        await someone.comes(site.url)
        width = await someone.page.evaluate("document.scrollingElement.scrollWidth")
        box = await someone.page.locator("#speak").bounding_box()
    assert width == 390
    assert box["y"] + box["height"] <= 780


async def test_a_server_without_live_models_says_what_it_lacks() -> None:
    config = ServerConfig.model_validate({"models": [{"name": "a", "kind": "simulated"}]})
    async with live_site(config) as site, visitor() as someone:
        await someone.page.goto(site.url)
        await someone.sees("#notice", "no model for live streams")
        await expect(someone.page.locator("#speak")).to_be_disabled()


async def test_a_server_that_went_away_is_told_in_plain_words(microphone: Path) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        async with live_site() as site:
            await someone.comes(site.url)
        await someone.page.get_by_role("button", name="Speak").click()
        await someone.sees("#notice", "The server does not answer")
