"""What the page of conversations says when something is not there, not allowed, or gone."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from serve_app.config import ServerConfig
from tests.browser.chromium import visitor
from tests.browser.talking import CONFIG, SAYS, microphone_with, talking_site
from tests.browser.watching import ALLOWED, DENIED, ENGLISH_TO_RUSSIAN, sees_sentences, talks, texts
from tests.client.live_site import LiveSite
from tests.ingress.auth import ALICE, keys_file

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def test_who_does_not_let_it_hear_is_told_how_to(talking: LiveSite, speaker: Path) -> None:
    async with visitor(speaker, flags=DENIED) as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "Allow the microphone")
        await someone.sees("#state", "Ready")


async def test_a_machine_without_a_microphone_is_told_so(talking: LiveSite) -> None:
    async with visitor(flags=ALLOWED) as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "Plug one in, choose it under Devices")


async def test_a_microphone_that_is_pulled_out_ends_it_and_keeps_what_was_said(
    talking: LiveSite, speaker: Path
) -> None:
    pull = """
        const {getUserMedia} = navigator.mediaDevices;
        navigator.mediaDevices.getUserMedia = async function (wanted) {
            return (window.held = await getUserMedia.call(this, wanted));
        };
    """
    async with visitor(speaker, flags=ALLOWED) as someone:
        await someone.page.add_init_script(pull)
        await talks(someone, talking.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.page.evaluate(
            "window.held.getTracks()[0].dispatchEvent(new Event('ended')), null"
        )
        await someone.sees("#notice", "The microphone is gone")
        await someone.sees("#state", "Ready")
        assert (await texts(someone))[0] == (SAYS[0]["en"], SAYS[0]["ru"])


async def test_a_device_that_gives_nothing_but_silence_is_told_so(
    talking: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.0, 8.0, 1.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
        await someone.speaks()
        await someone.sees("#notice", "Nothing but silence")
        await expect(someone.page.locator("#notice")).to_be_hidden(timeout=20_000)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [("synthesizers", "has no voice"), ("models", "no model that translates")],
)
async def test_a_server_that_cannot_do_it_says_what_it_lacks(lacking: str, words: str) -> None:
    settings = CONFIG.model_dump(exclude_defaults=True)
    settings[lacking] = () if lacking == "synthesizers" else [{"name": "a", "kind": "simulated"}]
    config = ServerConfig.model_validate(settings)
    async with talking_site(config) as site, visitor() as someone:
        await someone.page.goto(site.url + ENGLISH_TO_RUSSIAN)
        await someone.sees("#notice", words)
        await expect(someone.page.locator("#speak")).to_be_disabled()


async def test_where_keys_are_asked_for_a_key_opens_the_conversation(
    tmp_path: Path, speaker: Path
) -> None:
    settings = CONFIG.model_dump(exclude_defaults=True)
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    config = ServerConfig.model_validate({**settings, "auth": auth})
    async with talking_site(config) as site, visitor(speaker, flags=ALLOWED) as someone:
        await someone.page.goto(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_label("asks for an API key").fill(ALICE)
        await someone.page.keyboard.press("Enter")
        await someone.sees("#state", "Ready")
        await someone.speaks()
        await sees_sentences(someone, 1)


async def test_a_server_that_went_away_is_told_in_plain_words(speaker: Path) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone:
        async with talking_site() as site:
            await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "The server does not answer")


async def test_a_server_that_goes_in_the_middle_is_waited_for_until_that_is_stopped(
    speaker: Path,
) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone:
        async with talking_site() as site:
            await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.sees("#state", "Connection lost, coming back")
        await someone.page.keyboard.press("Escape")
        await someone.sees("#state", "press again to end it now")
        await someone.page.keyboard.press("Escape")
        await someone.sees("#state", "Ready")
        assert (await texts(someone))[0] == (SAYS[0]["en"], SAYS[0]["ru"])
