"""A server of conversations, and what somebody says to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.talking import microphone_with, talking_site
from tests.client.live_site import LiveSite


@pytest_asyncio.fixture
async def talking() -> AsyncIterator[LiveSite]:
    async with talking_site() as each:
        yield each


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    """A microphone: two sentences, and time for the page to speak between them."""
    return microphone_with(tmp_path / "microphone.wav", 1.0, 2.5, 1.0)
