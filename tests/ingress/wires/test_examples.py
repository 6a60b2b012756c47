"""The programs of docs/api.md run as they stand there."""

import asyncio
import re
import sys
import wave
from pathlib import Path

import pytest

from tests.ingress.wires.conftest import WAITING, speech

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def test_there_is_one_for_each_wire() -> None:
    assert len(PROGRAMS) == 3


@pytest.mark.parametrize("program", PROGRAMS, ids=["asr", "op", "realtime"])
async def test_a_program_prints_the_text(open_site, program, tmp_path) -> None:
    with wave.open(str(tmp_path / "speech.wav"), "wb") as wav:
        wav.setparams((1, 2, 16_000, 0, "NONE", ""))
        wav.writeframes(speech(1, 1.0))
    site = await open_site()
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace("127.0.0.1:8000", site.server.host),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await asyncio.wait_for(running.communicate(), 6 * WAITING)
    assert running.returncode == 0, complaints.decode()
    assert len(printed.decode().splitlines()[-1].split()) == 13
