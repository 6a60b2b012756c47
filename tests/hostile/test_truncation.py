"""A recording cut at every byte of its header is a clear error, whatever its format."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from serve_app.audio.sandbox.process import CHILD
from tests.audio.audio_files import FORMATS, speechlike
from tests.hostile.local_graph import Server, serving
from tests.hostile.table.rows import WAV

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {
    "WAV, 16 bits": (12, 46),
    "WAV, IMA ADPCM": (12, 64),
    "WAV, extensible": (12, 83),
    "RF64": (12, 106),
    "W64": (16, 106),
    "AIFF": (12, 58),
    "AU, µ-law": (4, 25),
    "CAF, 16 bits": (4, 128),
    "FLAC": (4, 128),
    "MP3": (4, 128),
    "OGG Vorbis": (4, 128),
    "OGG Opus": (4, 128),
    "M4A, AAC": (8, 128),
    "AAC": (7, 128),
    "WebM, Opus": (4, 128),
    "AMR-NB": (6, 19),
}
"""Format -> how many bytes show what it is, how many at least come before any audio."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving(WAV, module=CHILD) as running:
        yield running


@pytest.mark.parametrize("title", HEADERS)
async def test_a_header_cut_at_any_byte_is_an_error_that_fits(title: str, server: Server) -> None:
    known_bytes, header_bytes = HEADERS[title]
    encoder, rate_hz, _ = FORMATS[title]
    data = encoder(speechlike(1.0, rate_hz), rate_hz)
    pids, answer = server.decoders.pids, await server.good_answer()
    responses = await asyncio.gather(
        *(server.transcribe(data[:num_bytes]) for num_bytes in range(header_bytes))
    )
    codes = [(each.status_code, each.json()["error"]["code"]) for each in responses]
    assert codes[0] == (400, "empty_audio")
    assert set(codes[1:known_bytes]) == {(415, "unsupported_format")}
    assert set(codes[known_bytes:]) <= {(400, "undecodable_audio"), (400, "empty_audio")}
    assert await server.good_answer() == answer
    assert server.decoders.pids == pids
