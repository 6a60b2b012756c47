"""Conversations in a headless Chromium: real sockets, a recording for a microphone, and sound that
is caught where it is played."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from serve_app.config import ServerConfig
from serve_app.errors import EngineError
from tests.browser.chromium import Visitor, visitor
from tests.browser.talking import CONFIG, SAYS, Interpreter, microphone_with, talking_site
from tests.client.live_site import LiveSite, wire_to
from tests.ingress.auth import ALICE, keys_file

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

ALLOWED = ("--use-fake-ui-for-media-stream",)
DENIED = ("--use-fake-ui-for-media-stream=deny",)
IPHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
ENGLISH_TO_RUSSIAN = "/?mode=translate&from=en&to=ru"

CATCH = """
    const caught = (window.caught = {sent: [], played: []});
    let heard = null;
    const {send} = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        if (data instanceof Int16Array) {
            const peak = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
            caught.sent.push({ms: performance.now(), s: heard ? heard.currentTime : -1, peak});
        }
        return send.call(this, data);
    };
    const {start} = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (startS) {
        heard = this.context;
        const samples = this.buffer.getChannelData(0);
        const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
        const ms = performance.now() + 1000 * (startS - this.context.currentTime);
        caught.played.push({startS, durationS: this.buffer.duration, ms, peak});
        return start.call(this, startS);
    };
"""
"""What goes to the server, block by block, and what is played, sound by sound; by the clock of the
loudspeaker, too."""


@pytest_asyncio.fixture
async def site() -> AsyncIterator[LiveSite]:
    async with talking_site() as each:
        yield each


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """Somebody who says two sentences, and lets the page speak between them."""
    return microphone_with(tmp_path / "microphone.wav", 1.0, 2.5, 1.0)


async def talks(someone: Visitor, url: str, *, sentences: int) -> None:
    """Open the page, speak, and wait until so many sentences are translated."""
    await someone.page.add_init_script(CATCH)
    await someone.comes(url)
    await someone.speaks()
    await sees_sentences(someone, sentences)


async def sees_sentences(someone: Visitor, num: int) -> None:
    told = someone.page.locator(".row:not(.is-open)")
    await expect(told).to_have_count(num, timeout=30_000)


async def caught(someone: Visitor) -> dict[str, list[dict[str, float]]]:
    return await someone.page.evaluate("window.caught")


def peaks_while_it_speaks(seen: dict[str, list[dict[str, float]]]) -> list[float]:
    """Of what is sent while the first utterance's sound is heard, its sentences and the pauses."""
    begins_s = seen["played"][0]["startS"]
    ends_s = max(sound["startS"] + sound["durationS"] for sound in seen["played"])
    return [block["peak"] for block in seen["sent"] if begins_s < block["s"] < ends_s]


async def texts(someone: Visitor) -> list[tuple[str, str]]:
    """What was said, and what it became, as the rows have them."""
    spoken = await someone.page.locator(".row .spoken").all_inner_texts()
    written = await someone.page.locator(".row .written").all_inner_texts()
    return list(zip(spoken, written, strict=True))


async def test_what_is_said_is_seen_in_both_languages_and_heard_in_the_other(
    site: LiveSite, microphone: Path
) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=2)
        await someone.sees("#latency", "voice after")
        await someone.stops_talking()
        assert await texts(someone) == [(each["en"], each["ru"]) for each in SAYS]
        languages = [
            await someone.page.locator(place).first.get_attribute("lang")
            for place in (".row .spoken", ".row .written")
        ]
        played = (await caught(someone))["played"]
        read_aloud = await someone.page.inner_text("#said")
        figures = await someone.page.locator(".figures").all_inner_texts()
    assert languages == ["en", "ru"]
    assert len(played) >= 2
    assert all(sound["peak"] > 0.05 for sound in played)
    for before, sound in pairwise(played):
        assert sound["startS"] >= before["startS"] + before["durationS"] - 1e-3
    assert all(text in read_aloud for pair in SAYS for text in pair.values())
    assert all("text after" in each and "voice after" in each for each in figures)
    assert someone.complaints == []
    assert someone.hosts == {f"127.0.0.1:{site.port}"}


async def test_while_the_page_speaks_what_it_sends_is_silence(
    site: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.6, 1.3, 6.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.sees("#state", "microphone rests")
        await someone.sees("#state", "Listening")
        # Heard again, and so a second sentence.
        await expect(someone.page.locator(".row")).to_have_count(2)
        seen = await caught(someone)
    meanwhile = peaks_while_it_speaks(seen)
    assert len(meanwhile) > 10
    assert max(meanwhile) == 0


async def test_who_wears_headphones_is_heard_all_the_time(site: LiveSite, tmp_path: Path) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.6, 1.3, 6.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.add_init_script(CATCH)
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Headphones").click()
        await someone.speaks()
        await expect(someone.page.locator(".row.is-sounding")).to_be_attached(timeout=20_000)
        await expect(someone.page.locator(".row.is-sounding")).not_to_be_attached(timeout=20_000)
        seen = await caught(someone)
    assert max(peaks_while_it_speaks(seen)) > 1_000


async def test_who_speaks_is_not_interrupted(tmp_path: Path) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.6, 1.1, 3.0)
    interpreter = Interpreter()
    interpreter.may_answer.clear()
    async with (
        talking_site(interpreter=interpreter) as site,
        visitor(microphone, flags=ALLOWED) as someone,
    ):
        await someone.page.add_init_script(CATCH)
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.speaks()
        # The first sentence is translated while the second is spoken.
        await expect(someone.page.locator(".row")).to_have_count(2, timeout=20_000)
        interpreter.may_answer.set()
        await sees_sentences(someone, 1)
        await expect(someone.page.locator(".row.is-sounding")).to_be_attached(timeout=20_000)
        seen = await caught(someone)
    loud = [block["ms"] for block in seen["sent"] if block["peak"] > 1_000]
    assert seen["played"][0]["ms"] > max(loud)


async def test_either_of_two_people_is_translated_for_the_other(
    site: LiveSite, microphone: Path
) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        await talks(someone, f"{site.url}{ENGLISH_TO_RUSSIAN}&both", sentences=2)
        rows = someone.page.locator(".row")
        (first, second) = [await rows.nth(index).get_attribute("class") or "" for index in (0, 1)]
        boxes: list[Any] = [
            await rows.nth(index).locator(".spoken").bounding_box() for index in (0, 1)
        ]
    assert "is-turned" not in first
    assert "is-turned" in second
    assert boxes[0]["x"] < boxes[1]["x"]


async def test_a_page_whose_socket_is_cut_loses_no_sentence(
    site: LiveSite, microphone: Path
) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone, wire_to(site.port) as wire:
        await someone.page.add_init_script(CATCH)
        await someone.comes(wire.url + ENGLISH_TO_RUSSIAN)
        wire.budgets = iter([50_000])  # a second and a half: in the middle of the first sentence
        await someone.speaks()
        await sees_sentences(someone, 2)
        await someone.stops_talking()
        await sees_sentences(someone, 2)
    assert wire.num_cut == 1


async def test_a_sentence_that_cannot_be_translated_does_not_end_it(microphone: Path) -> None:
    interpreter = Interpreter(failures={0: EngineError("interpreter", "it choked")})
    async with (
        talking_site(interpreter=interpreter) as site,
        visitor(microphone, flags=ALLOWED) as someone,
    ):
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=2)
        await someone.sees(".row.has-failed", "Not translated")
        assert (await texts(someone))[1] == (SAYS[1]["en"], SAYS[1]["ru"])


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
    tmp_path: Path, microphone: Path
) -> None:
    settings = CONFIG.model_dump(exclude_defaults=True)
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    config = ServerConfig.model_validate({**settings, "auth": auth})
    async with talking_site(config) as site, visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.goto(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_label("asks for an API key").fill(ALICE)
        await someone.page.keyboard.press("Enter")
        await someone.sees("#state", "Ready")
        await someone.speaks()
        await sees_sentences(someone, 1)


async def test_the_languages_are_those_that_are_translated_and_spoken(site: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        page = someone.page
        spoken = await page.locator("#from option").all_inner_texts()
        assert spoken == ["English", "French", "German", "Russian"]
        await page.select_option("#from", "de")
        assert await page.locator("#to option").all_inner_texts() == ["English"]
        await page.get_by_role("button", name="Swap").click()
        chosen = (await page.input_value("#from"), await page.input_value("#to"))
        assert chosen == ("en", "de")
        await page.get_by_role("button", name="Both ways").click()
        assert page.url.endswith("/?mode=translate&from=en&to=de&both")
        await page.reload()
        await someone.sees("#state", "Ready")
        await expect(page.locator("#both")).to_have_attribute("aria-pressed", "true")
        assert await page.input_value("#to") == "de"
        await page.get_by_role("link", name="Transcribe").click()
        await expect(page.locator("#paper")).to_have_attribute("aria-label", "Transcript")


async def test_the_keyboard_is_enough(site: LiveSite, microphone: Path, tmp_path: Path) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        press = someone.page.keyboard.press
        await press("s")
        assert await someone.page.input_value("#from") == "ru"
        await press("s")
        await press("m")
        await someone.sees("#voice", "Muted")
        await press("m")
        await press("h")
        await expect(someone.page.locator("#headphones")).to_have_attribute("aria-pressed", "true")
        await press("Space")
        await sees_sentences(someone, 1)
        await press("Escape")
        await someone.sees("#state", "Ready")
        async with someone.page.expect_download() as download:
            await press("d")
        saved = tmp_path / "saved.txt"
        await (await download.value).save_as(saved)
        await press("Delete")
        await someone.sees("#invitation", "Press the button")
    text = saved.read_text()
    assert f"English: {SAYS[0]['en']}\nRussian: {SAYS[0]['ru']}" in text


async def test_tab_goes_through_all_of_it_in_the_order_that_it_is_seen(site: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        names = []
        for _ in range(12):
            await someone.page.keyboard.press("Tab")
            names.append(
                await someone.page.evaluate(
                    "(document.activeElement.labels?.[0] ?? document.activeElement)"
                    ".innerText.trim().split('\\n')[0] || document.activeElement.ariaLabel"
                )
            )
    assert names == [
        "Chorus", "Transcribe", "Translate", "API", "From", "Swap the languages", "To", "Both ways",
        "Devices and voices", "Voice", "Headphones", "Speak",
    ]  # fmt: skip


async def test_a_phone_shows_one_text_above_the_other(site: LiveSite, microphone: Path) -> None:
    async with visitor(microphone, flags=ALLOWED, **IPHONE) as someone:
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=1)
        page = someone.page
        width = await page.evaluate("document.scrollingElement.scrollWidth")
        button: Any = await page.locator("#speak").bounding_box()
        spoken: Any = await page.locator(".spoken").first.bounding_box()
        written: Any = await page.locator(".written").first.bounding_box()
    assert width == 390
    assert button["y"] + button["height"] <= 780
    assert written["x"] == spoken["x"]
    assert written["y"] >= spoken["y"] + spoken["height"]


async def test_who_does_not_let_it_hear_is_told_how_to(site: LiveSite, microphone: Path) -> None:
    async with visitor(microphone, flags=DENIED) as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "Allow the microphone")
        await someone.sees("#state", "Ready")


async def test_a_machine_without_a_microphone_is_told_so(site: LiveSite) -> None:
    async with visitor(flags=ALLOWED) as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "Plug one in, choose it under Devices")


async def test_a_microphone_that_is_pulled_out_ends_it_and_keeps_what_was_said(
    site: LiveSite, microphone: Path
) -> None:
    pull = """
        const {getUserMedia} = navigator.mediaDevices;
        navigator.mediaDevices.getUserMedia = async function (wanted) {
            return (window.held = await getUserMedia.call(this, wanted));
        };
    """
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.add_init_script(pull)
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.page.evaluate(
            "window.held.getTracks()[0].dispatchEvent(new Event('ended')), null"
        )
        await someone.sees("#notice", "The microphone is gone")
        await someone.sees("#state", "Ready")
        assert (await texts(someone))[0] == (SAYS[0]["en"], SAYS[0]["ru"])


async def test_a_device_that_gives_nothing_but_silence_is_told_so(
    site: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.0, 8.0, 1.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.speaks()
        await someone.sees("#notice", "Nothing but silence")
        await expect(someone.page.locator("#notice")).to_be_hidden(timeout=20_000)


async def test_a_server_that_went_away_is_told_in_plain_words(microphone: Path) -> None:
    async with visitor(microphone, flags=ALLOWED) as someone:
        async with talking_site() as site:
            await someone.comes(site.url + ENGLISH_TO_RUSSIAN)
        await someone.page.get_by_role("button", name="Speak", exact=True).click()
        await someone.sees("#notice", "The server does not answer")
