"""A text that takes espeak-ng over reaches nothing: no file, socket, process or right."""

import errno
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_app.audio.sandbox import confinement
from serve_app.models.speech.espeak import process as espeak_process
from serve_app.models.speech.espeak.process import SpeakingProcess
from tests.hostile.trespasses import TRESPASSES

REFUSALS = {errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENOENT}
"""It may not ask who its parent is, and so finds nothing of it."""
HARMLESS = {"double a descriptor"}
"""One of its own: reading files needs descriptors."""


@pytest.fixture(scope="module")
def taken_over() -> Iterator[SpeakingProcess]:
    patch = pytest.MonkeyPatch()
    patch.setattr(espeak_process, "_MODULE", "tests.hostile.taken_over_voice")
    voice = SpeakingProcess("espeak", timeout_s=20)
    patch.undo()
    yield voice
    voice.close()


@pytest.mark.parametrize("trespass", sorted(set(TRESPASSES) - HARMLESS))
def test_a_voice_that_was_taken_over_cannot(
    trespass: str, taken_over: SpeakingProcess, tmp_path: Path
) -> None:
    victim = tmp_path / "of others"
    victim.write_text("theirs")
    pid = taken_over.pid
    (number,) = struct.unpack("<h", taken_over.say(f"{trespass}@{victim}", "en", 175, 1000))
    assert number in REFUSALS
    assert list(tmp_path.iterdir()) == [victim]
    assert victim.read_text() == "theirs"
    assert taken_over.pid == pid


def test_what_is_readable_is_read_and_nothing_else(tmp_path: Path) -> None:
    """In a process of its own: what it gives up it does not get back."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open/a").write_text("ours")
    (tmp_path / "closed").write_text("theirs")
    program = (
        "import sys\n"
        "from serve_app.audio.sandbox.confinement import confine\n"
        "holds = confine({'landlock', 'seccomp'}, readable=sys.argv[1] + '/open')\n"
        "assert open(sys.argv[1] + '/open/a').read() == 'ours'\n"
        "print(len(holds), file=sys.stderr)\n"
        "for mode, name in (('r', '/closed'), ('w', '/open/a'), ('w', '/open/b')):\n"
        "    try:\n"
        "        open(sys.argv[1] + name, mode)\n"
        "    except PermissionError:\n"
        "        continue\n"
        "    sys.exit(f'{mode} {name} was allowed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    if done.stderr.strip() != str(len({"landlock", "seccomp"})):
        pytest.skip(f"this kernel does not offer all of {sorted(confinement.ALL)}")
    assert done.returncode == 0, done.stderr
