"""Bad input leaves nothing behind: neither memory nor descriptors nor threads nor processes."""

import asyncio
import os

import pytest

from serve_app.audio.sandbox.process import CHILD
from tests.hostile.local_graph import Footprint, serving
from tests.hostile.table import containers, kinds, wav
from tests.hostile.table.rows import WAV, Bad

ROWS: tuple[Bad, ...] = wav.ROWS + containers.ROWS + kinds.ROWS
MOST_BYTES = 250_000
"""Of an upload here: what an allocator keeps of larger ones would hide a leak."""
OURS = frozenset({os.getpid()})
NUM_ROUNDS, MOST_ROUNDS = 4, 24
MIB = 1 << 20


@pytest.mark.asyncio
async def test_the_table_again_and_again_leaves_nothing_behind() -> None:
    async with serving(WAV, module=CHILD) as server:
        made = [(row.make(), row.filename) for row in ROWS if not row.kills]
        uploads = [(data, name) for data, name in made if len(data) < MOST_BYTES]
        decoders, own = [], []
        pids = server.decoders.pids
        while len(own) < MOST_ROUNDS and not (_is_flat(decoders) and _is_flat(own)):
            await asyncio.gather(*(server.transcribe(data, name) for data, name in uploads))
            decoders.append(Footprint.of(pids))
            own.append(Footprint.of(OURS))
        assert server.decoders.pids == pids
        assert _is_flat(decoders), decoders
        assert _is_flat(own), own


def _is_flat(footprints: list[Footprint]) -> bool:
    """Whether the last rounds all left the same; the first ones fill what an allocator keeps."""
    last = footprints[-NUM_ROUNDS:]
    resident = [each.resident_bytes for each in last]
    return (
        len(last) == NUM_ROUNDS
        and len({(each.num_descriptors, each.num_threads) for each in last}) == 1
        and max(resident) - min(resident) < MIB
    )
