"""A decoder that a stranger has taken over reaches nothing: no file, socket, process or right."""

import errno
import json
import sys
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from serve_app.audio.sandbox import DecoderPool, confinement
from tests.audio.audio_files import FORMATS, speechlike
from tests.audio.test_sandbox import only, pool, whole
from tests.hostile.taken_over import ORDER
from tests.hostile.trespasses import TRESPASSES

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSALS = {errno.EPERM, errno.EACCES, errno.EMFILE}
TAKEN_OVER = "tests.hostile.taken_over"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def taken_over() -> AsyncIterator[DecoderPool]:
    async with pool(module=TAKEN_OVER) as decoders:
        yield decoders


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "of others"
    path.write_text("theirs")
    return path


def content(path: Path) -> str:
    return path.read_text()


@pytest.mark.parametrize("trespass", TRESPASSES)
async def test_a_decoder_that_was_taken_over_cannot(
    trespass: str, taken_over: DecoderPool, victim: Path
) -> None:
    before = taken_over.pids
    order = ORDER + f"{trespass}@{victim}".encode()
    assert int((await whole(taken_over, order))[0]) in REFUSALS
    assert list(victim.parent.iterdir()) == [victim]
    assert content(victim) == "theirs"
    assert taken_over.pids == before


async def test_a_decoder_says_which_barriers_hold_and_the_kernel_agrees(
    taken_over: DecoderPool,
) -> None:
    status = content(Path(f"/proc/{only(taken_over.pids)}/status")).split("\n")
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"].strip() == "2"
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh")} == {"0" * 16}
    limits = content(Path(f"/proc/{only(taken_over.pids)}/limits"))
    assert "Max open files            0                    0" in limits


HELD_BY = {
    "limits": {
        "read a file",
        "write a file",
        "make a file",
        "list a folder",
        "open a TCP socket",
        "open a UDP socket",
        "open a local socket",
        "make a file in memory",
        "make a pipe",
    },
    "landlock": {
        "read a file",
        "read the memory of its parent",
        "list a folder",
        "write a file",
        "make a file",
        "cut a file",
        "delete a file",
        "rename a file",
        "make a folder",
        "make a link",
        "trace its parent",
    },
    "capabilities": {"mount a file system"},
    "seccomp": set(TRESPASSES) - {"raise its own limits"},
}
"""What each barrier keeps out without the others."""

ALONE = """
import json, sys
from serve_app.audio.sandbox.confinement import confine
from tests.hostile.trespasses import errno_of
held, trespasses, path = json.loads(sys.argv[1])
holds = confine([held])
print(json.dumps([holds, {each: errno_of(each, path) for each in trespasses}]))
"""


@pytest.mark.parametrize("barrier", sorted(confinement.ALL))
async def test_each_barrier_holds_without_the_others(barrier: str, victim: Path) -> None:
    task = json.dumps([barrier, sorted(HELD_BY[barrier]), str(victim)])
    process = await create_subprocess_exec(
        *(sys.executable, "-c", ALONE, task), stdout=subprocess.PIPE
    )
    told, _ = await process.communicate()
    holds, found = json.loads(told)
    if not holds:
        pytest.skip(f"this kernel does not offer {barrier}")
    assert {each: code for each, code in found.items() if code not in REFUSALS} == {}
    assert list(victim.parent.iterdir()) == [victim]


async def test_every_format_is_decoded_behind_the_barriers_as_before_them() -> None:
    from serve_app.audio.decode import decode_blocks

    async with pool() as decoders:
        pids = decoders.pids
        for title, (encoder, rate_hz, _) in FORMATS.items():
            data = encoder(speechlike(2.0, rate_hz), rate_hz)
            outside = np.concatenate(list(decode_blocks(data)))
            assert np.array_equal(await whole(decoders, data), outside), title
        assert decoders.pids == pids
