"""Conversations in a headless Chromium: real sockets, a recording for a microphone, and sound that
is caught where it is played."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from serve_app.errors import EngineError
from tests.browser.chromium import visitor
from tests.browser.talking import SAYS, Interpreter, microphone_with, talking_site
from tests.browser.watching import (
    ALLOWED,
    CATCH,
    ENGLISH_TO_RUSSIAN,
    caught,
    peaks_while_it_speaks,
    sees_sentences,
    talks,
    texts,
)
from tests.client.live_site import LiveSite, wire_to

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def test_what_is_said_is_seen_in_both_languages_and_heard_in_the_other(
    talking: LiveSite, speaker: Path
) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone:
        await talks(someone, talking.url + ENGLISH_TO_RUSSIAN, sentences=2)
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
    # The first has two sentences: no gap is between them.
    assert played[1]["startS"] == pytest.approx(played[0]["startS"] + played[0]["durationS"])
    assert all(text in read_aloud for pair in SAYS for text in pair.values())
    assert all("text after" in each and "voice after" in each for each in figures)
    assert someone.complaints == []
    assert someone.hosts == {f"127.0.0.1:{talking.port}"}


async def test_while_the_page_speaks_what_it_sends_is_silence(
    talking: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.6, 1.3, 6.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await talks(someone, talking.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.sees("#state", "microphone rests")
        await someone.sees("#state", "Listening")
        # Heard again, and so a second sentence.
        await expect(someone.page.locator(".row")).to_have_count(2)
        seen = await caught(someone)
    meanwhile = peaks_while_it_speaks(seen)
    assert len(meanwhile) > 10
    assert max(meanwhile) == 0


async def test_who_wears_headphones_is_heard_all_the_time(
    talking: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 0.6, 1.3, 6.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await someone.page.add_init_script(CATCH)
        await someone.comes(talking.url + ENGLISH_TO_RUSSIAN)
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
    talking: LiveSite, speaker: Path
) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone:
        await talks(someone, f"{talking.url}{ENGLISH_TO_RUSSIAN}&both", sentences=2)
        rows = someone.page.locator(".row")
        (first, second) = [await rows.nth(index).get_attribute("class") or "" for index in (0, 1)]
        boxes: list[Any] = [
            await rows.nth(index).locator(".spoken").bounding_box() for index in (0, 1)
        ]
    assert "is-turned" not in first
    assert "is-turned" in second
    assert boxes[0]["x"] < boxes[1]["x"]


async def test_another_pair_of_languages_begins_below_the_first(
    talking: LiveSite, tmp_path: Path
) -> None:
    microphone = microphone_with(tmp_path / "microphone.wav", 1.0)
    async with visitor(microphone, flags=ALLOWED) as someone:
        await talks(someone, talking.url + ENGLISH_TO_RUSSIAN, sentences=1)
        await someone.stops_talking()
        await someone.page.keyboard.press("s")
        await someone.speaks()
        await sees_sentences(someone, 2)
        heads = await someone.page.locator(".heads h2").all_inner_texts()
        assert (await texts(someone))[1] == (SAYS[1]["ru"], SAYS[1]["en"])
    assert heads == ["English", "Russian", "Russian", "English"]


async def test_a_page_whose_socket_is_cut_loses_no_sentence(
    talking: LiveSite, speaker: Path
) -> None:
    async with visitor(speaker, flags=ALLOWED) as someone, wire_to(talking.port) as wire:
        await someone.page.add_init_script(CATCH)
        await someone.comes(wire.url + ENGLISH_TO_RUSSIAN)
        wire.budgets = iter([50_000])  # a second and a half: in the middle of the first sentence
        await someone.speaks()
        await sees_sentences(someone, 2)
        await someone.stops_talking()
        await sees_sentences(someone, 2)
    assert wire.num_cut == 1


async def test_a_sentence_that_cannot_be_translated_does_not_end_it(speaker: Path) -> None:
    interpreter = Interpreter(failures={0: EngineError("interpreter", "it choked")})
    async with (
        talking_site(interpreter=interpreter) as site,
        visitor(speaker, flags=ALLOWED) as someone,
    ):
        await talks(someone, site.url + ENGLISH_TO_RUSSIAN, sentences=2)
        await someone.sees(".row.has-failed", "Not translated")
        assert (await texts(someone))[1] == (SAYS[1]["en"], SAYS[1]["ru"])
