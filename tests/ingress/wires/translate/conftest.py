"""See `site`."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment
from tests.ingress.wires.translate.site import Site, new_site

SCRIPT = (Segment("Раз два.", 0.0, 1.0), Segment("Три.", 1.0, 2.0))


@pytest_asyncio.fixture
async def translating() -> AsyncIterator[Callable[..., Any]]:
    """`await translating(**settings)` gives a `Site`."""
    sites: list[Site] = []

    async def opened(backend: ScriptedBackend | None = None, **settings: Any) -> Site:
        sites.append(await new_site(backend or ScriptedBackend(SCRIPT), **settings))
        return sites[-1]

    yield opened
    for site in sites:
        await site.server.__aexit__()
