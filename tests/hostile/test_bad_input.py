"""Every class of bad input gets its own answer, over real sockets and from real decoders.

After each, a good recording is answered byte for byte as before, and the decoders are those that
there were, but for one where the table says that it dies.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from serve_app.audio.sandbox.process import CHILD
from tests.hostile.local_graph import Server, serving
from tests.hostile.table import containers, document, kinds, requests, wav
from tests.hostile.table.requests import BadRequest
from tests.hostile.table.rows import WAV, Bad

one_loop = pytest.mark.asyncio(loop_scope="module")

UPLOADS: tuple[Bad, ...] = wav.ROWS + containers.ROWS + kinds.ROWS
REQUESTS: tuple[BadRequest, ...] = requests.ROWS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving(WAV, module=CHILD, upload_timeout_s=2.0) as running:
        yield running


async def _at_full_strength(server: Server) -> frozenset[int]:
    async with asyncio.timeout(20):
        while len(server.decoders.pids) < 2:
            await server.good_answer()
    return server.decoders.pids


def test_every_class_has_a_name_of_its_own() -> None:
    names = Counter(row.name for row in (*UPLOADS, *REQUESTS))
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 200


def test_the_page_about_bad_input_has_the_same_table() -> None:
    """Write it again by `python -m tests.hostile.table.document`."""
    assert document.PAGE.read_text().partition(document.MARK)[2] == document.text()
    listed = [row for rows in document.SECTIONS.values() for row in rows]
    assert listed == [*UPLOADS, *REQUESTS]


@one_loop
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in UPLOADS])
async def test_a_bad_upload_has_its_answer_and_nobody_else_notices(
    row: Bad, server: Server
) -> None:
    before, answer = await _at_full_strength(server), await server.good_answer()
    response = await server.transcribe(row.make(), row.filename, **row.fields)
    assert (response.status_code, response.json().get("error", {}).get("code")) == (
        row.status,
        row.code,
    )
    assert len(response.content) < 2_000
    assert await server.good_answer() == answer
    after = await _at_full_strength(server)
    assert len(before & after) == (1 if row.kills else 2)
    assert await server.good_answer() == answer


@one_loop
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REQUESTS])
async def test_a_bad_request_has_its_answer_and_reaches_no_decoder(
    row: BadRequest, server: Server
) -> None:
    before, answer = await _at_full_strength(server), await server.good_answer()
    told = await server.exchange(row.make())
    head, _, body = told.partition(b"\r\n\r\n")
    code = json.loads(body).get("error", {}).get("code") if body.startswith(b"{") else None
    assert (int(head.split()[1]), code) == (row.status, row.code), told[:500]
    assert len(told) < 3_000
    assert b"x-evil" not in head.lower()
    assert await server.good_answer() == answer
    assert server.decoders.pids == before


@one_loop
async def test_an_upload_that_trickles_is_given_up_in_time(server: Server) -> None:
    head = b"POST %b HTTP/1.1\r\nhost: here\r\ncontent-length: 999999\r\n" % requests.URL.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head + b"content-type: multipart/form-data; boundary=b\r\n\r\n")
    writer.write(requests.FILE[:999])
    told = b""
    async with asyncio.timeout(20):
        while not told:
            writer.write(b"x")
            with contextlib.suppress(TimeoutError):
                told = await asyncio.wait_for(reader.read(4096), 0.02)
    writer.close()
    assert told.startswith(b"HTTP/1.1 408 ")
    assert len(await _at_full_strength(server)) == 2
