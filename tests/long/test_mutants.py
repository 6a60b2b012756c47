"""Ten thousand recordings, each damaged in a way of its own: no process dies, nobody hears a 5xx.

Mutants are made from a seed, so that one that fails can be made again: `mutant(SEED, number)`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from serve_app.audio.sandbox.process import CHILD
from tests.audio.audio_files import FORMATS, speechlike
from tests.hostile.local_graph import Footprint, Server, serving
from tests.hostile.table.rows import WAV

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

SEED = 20_261_121
NUM_MUTANTS = int(os.environ.get("NUM_MUTANTS", "10000"))
NUM_AT_ONCE = 4
TITLES = tuple(FORMATS)
MIB = 1 << 20
FORESEEN = {
    (200, None),
    (400, "empty_audio"),
    (400, "undecodable_audio"),
    (413, "audio_too_long"),
    (415, "unsupported_format"),
}


@cache
def _whole(title: str) -> bytes:
    encoder, rate_hz, _ = FORMATS[title]
    return encoder(speechlike(1.0, rate_hz), rate_hz)


def mutant(seed: int, number: int) -> bytes:
    """Formats in turn; one to three damages, of which most hit the header."""
    rng = np.random.default_rng((seed, number))
    data = bytearray(_whole(TITLES[number % len(TITLES)]))
    for _ in range(rng.integers(1, 4)):
        _damage(data, rng)
    return bytes(data)


def _damage(data: bytearray, rng: np.random.Generator) -> None:
    reach = len(data) if rng.random() < 0.3 else min(len(data), 512)
    at = int(rng.integers(0, max(reach, 1)))
    length = int(rng.integers(1, 9))
    match rng.integers(0, 8):
        case 0:
            data[at : at + length] = rng.bytes(length)
        case 1:
            data[at : at + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "little")
        case 2:
            data[at : at + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "big")
        case 3:
            data[at : at + 1] = bytes([data[at] ^ 1 << int(rng.integers(0, 8))]) if data else b""
        case 4:
            del data[at:]
        case 5:
            del data[at : at + int(rng.integers(1, 4096))]
        case 6:
            data[at:at] = data[at : at + int(rng.integers(1, 4096))]
        case _:
            other = _whole(TITLES[int(rng.integers(0, len(TITLES)))])
            data[at:] = other[int(rng.integers(0, len(other))) :]


EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


async def test_no_mutant_kills_a_process_or_gets_a_5xx() -> None:
    async with serving(WAV, module=CHILD) as server:
        answer, pids = await server.good_answer(), server.decoders.pids
        numbers = iter(range(NUM_MUTANTS))
        found: Counter[tuple[int, str | None]] = Counter()
        died: list[str] = []
        for warming in range(200):
            await server.transcribe(mutant(SEED + 1, warming))
        before = Footprint.of(frozenset({os.getpid()}))
        await asyncio.gather(*(_attack(server, numbers, found, died) for _ in range(NUM_AT_ONCE)))
        print(f"\n{NUM_MUTANTS} mutants: {dict(found)}; cost their decoder: {died}")
        assert set(found) <= FORESEEN
        assert sum(found.values()) == NUM_MUTANTS
        assert len(died) < NUM_MUTANTS / 100
        assert not any("crashed" in reason for reason in died), died
        assert await server.good_answer() == answer
        after = Footprint.of(frozenset({os.getpid()}))
        assert after.num_threads == before.num_threads
        # each connection has two ends here
        assert abs(after.num_descriptors - before.num_descriptors) <= 2 * NUM_AT_ONCE
        assert after.resident_bytes - before.resident_bytes < 64 * MIB
        assert len(server.decoders.pids) == len(pids)


async def _attack(
    server: Server,
    numbers: Iterator[int],
    found: Counter[tuple[int, str | None]],
    died: list[str],
) -> None:
    for number in numbers:
        response = await server.transcribe(mutant(SEED, number))
        error = response.json().get("error", {})
        found[response.status_code, error.get("code")] += 1
        reason = error.get("message", "")
        if any(mark in reason for mark in ("crashed", "too much", "came out of it")):
            died.append(f"{number}: {reason}")
