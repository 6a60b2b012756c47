"""A Chromium with a recording for a microphone, and a visitor who uses the page with it.

Any Chromium will do: one named by CHORUS_BROWSER, one on the path, or Playwright's own. `make
browser` installs one.
"""

import os
import re
import shutil
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.async_api import Browser, Page, Playwright, async_playwright, expect

from serve_app.cli.listen.recording import read_recording
from serve_app.wer import count_errors

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_MISSING = (
    "no browser: neither CHORUS_BROWSER nor the path names a Chromium, and Playwright has none of "
    "its own; `make browser` installs one"
)
LOAD_TIMEOUT_MS = 20_000
TEXT_TIMEOUT_MS = 60_000
_NUM_TRIES = 3


class MisheardError(AssertionError):
    """What is written is not what was said."""


async def heard_well(listening: Callable[[], Awaitable[None]]) -> None:
    """Once, and twice more where other words were heard: on a busy machine the browser's
    microphone of a file drops some of it, which nobody can hear then. All else fails at once.

    Raises:
        MisheardError: each time.
    """
    for _ in range(_NUM_TRIES - 1):
        try:
            return await listening()
        except MisheardError as error:
            print(f"misheard: {error}")
    await listening()


def must_be_heard(said: Sequence[str], text: str, *, max_errors: int) -> None:
    if count_errors(said, text.split()).total > max_errors:
        raise MisheardError(f"{text!r}, where {' '.join(said)!r} was said")


async def must_show(expectation: Awaitable[None]) -> None:
    """Playwright's, about words that were said."""
    try:
        await expectation
    except AssertionError as error:
        raise MisheardError(str(error)) from error


@dataclass(slots=True)
class Visitor:
    """Somebody in front of the page."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser itself found wrong."""
    hosts: set[str] = field(default_factory=set)
    """Whom it has asked for anything."""

    async def comes(self, url: str) -> None:
        """Open the page, and wait until it can be used."""
        await self.page.goto(url)
        await self.sees("#state", "Ready")

    async def sees(self, place: str, words: str) -> None:
        await expect(self.page.locator(place)).to_contain_text(words, timeout=TEXT_TIMEOUT_MS)

    async def speaks(self) -> None:
        await self.page.get_by_role("button", name="Speak", exact=True).click()
        await self.sees("#state", "Listening")

    async def listens_until(self, time_s: int) -> None:
        """Wait until the clock of the page says so much, or has long said so."""
        clocks = (f"{clock_s // 60}:{clock_s % 60:02}" for clock_s in range(time_s, time_s + 600))
        clock = re.compile("|".join(clocks))
        timeout_ms = TEXT_TIMEOUT_MS + 1000 * time_s
        await expect(self.page.locator("#state")).to_have_text(clock, timeout=timeout_ms)

    async def stops(self) -> str:
        """The text when all of it is final."""
        await self.page.get_by_role("button", name="Stop").click()
        return await self.reads()

    async def stops_talking(self) -> None:
        """Wait until all is told and heard."""
        await self.page.get_by_role("button", name="Stop").click()
        await self.sees("#state", "Ready")

    async def reads(self) -> str:
        await self.sees("#state", "Ready")
        return (await self.page.inner_text("#words")).strip()

    async def drops(self, name: str, content: bytes) -> None:
        """Let go of a file above the page."""
        data = await self.page.evaluate_handle(
            """([bytes, name]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], name));
                return data;
            }""",
            [list(content), name],
        )
        await self.page.dispatch_event("#paper", "drop", {"dataTransfer": data})


@asynccontextmanager
async def visitor(
    microphone: Path | None = None, *, flags: Sequence[str] = (), **context: object
) -> AsyncIterator[Visitor]:
    """`microphone` is a WAV that is heard once, then silence; None for a machine without ears."""
    if microphone is not None:
        flags = (
            *flags,
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        )
    async with async_playwright() as playwright:
        browser = await _launched(playwright, flags)
        opened = await browser.new_context(**context)
        opened.set_default_timeout(LOAD_TIMEOUT_MS)
        someone = Visitor(await opened.new_page())
        someone.page.on("pageerror", lambda error: someone.complaints.append(str(error)))
        someone.page.on(
            "console",
            lambda message: message.type == "error" and someone.complaints.append(message.text),
        )
        someone.page.on("request", lambda asked: someone.hosts.add(urlsplit(asked.url).netloc))
        try:
            yield someone
        finally:
            await browser.close()


def as_microphone(recording: Path, path: Path, *, lead_s: float = 1.0, tail_s: float = 0.0) -> Path:
    """A recording of any kind as the WAV that Chromium takes for a microphone: 48 kHz, and quiet
    at first, because it is heard from when the device is opened; behind its end it need not be."""
    pcm = np.frombuffer(read_recording(recording), np.int16)
    positions = np.arange(len(pcm) * 3) / 3
    loud = np.interp(positions, np.arange(len(pcm)), pcm).astype(np.int16)
    lead, tail = (np.zeros(round(quiet_s * 48_000), np.int16) for quiet_s in (lead_s, tail_s))
    write_wav(path, np.concatenate([lead, loud, tail]).tobytes(), 48_000)
    return path


def write_wav(path: Path, pcm: bytes, rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return path


async def _launched(playwright: Playwright, flags: Sequence[str]) -> Browser:
    on_path = (found for name in _NAMES if (found := shutil.which(name)))
    executable = os.environ.get("CHORUS_BROWSER") or next(on_path, None)
    if executable is None and not _is_there(Path(playwright.chromium.executable_path)):
        pytest.skip(_MISSING)
    return await playwright.chromium.launch(executable_path=executable, args=list(flags))


def _is_there(own: Path) -> bool:
    """Playwright keeps the smaller Chromium that it starts beside the large one that it names."""
    return any(own.parents[2].glob("chromium_headless_shell-*"))
