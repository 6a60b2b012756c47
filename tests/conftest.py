"""What holds for every test: nothing of whoever runs them."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_variables_of_tracing() -> Iterator[None]:
    """A developer's own collector gets no spans of tests, and no sampler of theirs counts here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            patch.delenv(name)
        yield
