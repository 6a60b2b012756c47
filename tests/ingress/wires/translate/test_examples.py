"""The program of docs/translation.md runs as it stands there."""

import asyncio
import re
import sys
import wave
from pathlib import Path

import pytest

from tests.ingress.wires.conftest import WAITING, silence, speech
from tests.ingress.wires.translate.conftest import SCRIPT
from tests.ingress.wires.translate.site import pcm_of

pytestmark = pytest.mark.asyncio

DOCUMENT = Path(__file__).parents[4] / "docs" / "translation.md"


async def test_the_program_prints_both_texts_and_writes_the_sound(translating, tmp_path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as wav:
        wav.setparams((1, 2, 16_000, 0, "NONE", ""))
        wav.writeframes((speech(1, 0.6) + silence(1.0)) * 2)
    site = await translating()
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
    text = " ".join(segment.text for segment in SCRIPT)
    assert printed.decode().splitlines() == [f"{text} -> {text}"] * 2
    assert pcm_of((tmp_path / "spoken.wav").read_bytes())[0].strip(b"\0")
