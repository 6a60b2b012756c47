"""`/docs` and `/redoc` in a headless Chromium: shown whole, and nobody else is asked."""

from urllib.parse import urlsplit

import pytest

from tests.browser.chromium import visitor
from tests.client.live_site import live_site

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


LOGO = "https://cdn.redoc.ly/"
"""Below Redoc's menu: wanted, and not let through."""


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_needs_nobody_else(path: str) -> None:
    answered: set[str] = set()
    async with live_site() as site, visitor() as someone:
        someone.page.on("response", lambda answer: answered.add(urlsplit(answer.url).netloc))
        await someone.page.goto(f"{site.url}{path}")
        await someone.sees("body", "/v1/audio/transcriptions")
    assert answered - {""} == {f"127.0.0.1:{site.port}"}
    assert [words for words in someone.complaints if LOGO not in words] == []


async def test_a_request_can_be_tried_in_it() -> None:
    async with live_site() as site, visitor() as someone:
        await someone.page.goto(f"{site.url}/docs")
        await someone.page.locator(".opblock-summary", has_text="/health").first.click()
        await someone.page.get_by_role("button", name="Try it out").click()
        await someone.page.get_by_role("button", name="Execute").click()
        await someone.sees(".live-responses-table", "model_loaded")
    assert someone.complaints == []
