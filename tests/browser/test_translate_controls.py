"""The page of conversations in the hand: languages, keys, a phone."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.chromium import visitor
from tests.browser.talking import SAYS
from tests.browser.watching import ALLOWED, ENGLISH_TO_RUSSIAN, sees_sentences, talks
from tests.client.live_site import LiveSite

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

IPHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


async def test_its_address_is_a_mode_of_the_page_and_a_mode_that_is_not_is_the_first(
    talking: LiveSite,
) -> None:
    async with httpx.AsyncClient(base_url=talking.url, headers={"accept": "text/html"}) as client:
        page, first, strange = [
            (await client.get(address)).text
            for address in ("/?mode=translate", "/", "/?mode=dance")
        ]
        names = re.findall(r'(?:src|href)="(web/[^"]+)"', page)
        for name in names:
            assert (await client.get(f"/{name}")).status_code == 200
    assert len(names) == 4
    assert page != first
    assert strange == first


async def test_the_languages_are_those_that_are_translated_and_spoken(talking: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
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


async def test_a_pair_that_the_address_asks_for_and_that_is_not_there_is_told(
    talking: LiveSite,
) -> None:
    async with visitor() as someone:
        notice = someone.page.locator("#notice")
        for asked in ("from=ru&to=de", "from=xx&to=yy", "from=en&to=en", "from=en&to=fr"):
            await someone.comes(f"{talking.url}/?mode=translate&{asked}")
            await someone.sees("#notice-text", "not to be had on this server")
            await someone.page.get_by_role("button", name="Close this message").click()
            await expect(notice).to_be_hidden()
        for asked in ("", "&from=en&to=ru", "&from=ru&to=en&both", "&to=de&from=en"):
            await someone.comes(f"{talking.url}/?mode=translate{asked}")
            await expect(notice).to_be_hidden()
        await someone.comes(f"{talking.url}/?mode=translate&from=ru&to=en&model=nobody")
        await expect(notice).to_be_visible()


async def test_the_keyboard_is_enough(talking: LiveSite, speaker: Path, tmp_path: Path) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
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


async def test_tab_goes_through_all_of_it_in_the_order_that_it_is_seen(talking: LiveSite) -> None:
    async with visitor() as someone:
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
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


async def test_a_phone_shows_one_text_above_the_other(talking: LiveSite, speaker: Path) -> None:
    async with visitor(speaker, flags=ALLOWED, **IPHONE) as someone:
        await talks(someone, talking.url + ENGLISH_TO_RUSSIAN, sentences=1)
        page = someone.page
        width = await page.evaluate("document.scrollingElement.scrollWidth")
        button: Any = await page.locator("#speak").bounding_box()
        spoken: Any = await page.locator(".spoken").first.bounding_box()
        written: Any = await page.locator(".written").first.bounding_box()
    assert width == 390
    assert button["y"] + button["height"] <= 780
    assert written["x"] == spoken["x"]
    assert written["y"] >= spoken["y"] + spoken["height"]
