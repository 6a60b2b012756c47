"""A text that takes espeak-ng over reaches nothing: no file, socket, process or right."""

import errno
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from serve_app.audio.sandbox import confinement
from serve_app.models.protocols import UnspeakableError
from serve_app.models.speech.espeak import process as espeak_process
from serve_app.models.speech.espeak.messages import PCM, SENTENCE, Sentence, hand_line, hear, say
from serve_app.models.speech.espeak.process import SpeakingProcess
from tests.hostile.taken_over_voice import OWN
from tests.hostile.trespasses import TRESPASSES

REFUSALS = {errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENOENT}
"""It may not ask who its parent is, and so finds nothing of it."""
HARMLESS = {"double a descriptor"}
"""One of its own: reading files needs descriptors."""


@pytest.fixture(scope="module")
def _hostile() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(espeak_process, "_MODULE", "tests.hostile.taken_over_voice")
    yield
    patch.undo()


@pytest.fixture(scope="module")
def taken_over(_hostile: None) -> Iterator[SpeakingProcess]:
    voice = SpeakingProcess("espeak", timeout_s=20)
    yield voice
    voice.close()


@pytest.fixture
def hasty(_hostile: None) -> Iterator[SpeakingProcess]:
    voice = SpeakingProcess("espeak", timeout_s=1)
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


def test_a_voice_that_was_taken_over_answers_nobody_but_its_own(
    taken_over: SpeakingProcess, tmp_path: Path
) -> None:
    pid = taken_over.pid
    assert taken_over.say("answer twice", "en", 175, 1000) == OWN
    (number,) = struct.unpack("<h", taken_over.say("make a pipe@", "en", 175, 1000))
    assert number in REFUSALS
    assert taken_over.pid == pid


@pytest.mark.parametrize("wrong", ["stay", "trickle"])
def test_a_voice_that_was_taken_over_hears_nobody_else_and_ends_in_time(
    wrong: str, hasty: SpeakingProcess
) -> None:
    with pytest.raises(UnspeakableError, match="longer than 1 s"):
        hasty.say(wrong, "en", 175, 1000)
    hasty._timeout_s = 20
    (number,) = struct.unpack("<h", hasty.say("make a pipe@", "en", 175, 1000))
    assert number in REFUSALS


def test_no_fork_outlives_the_server(hasty: SpeakingProcess) -> None:
    """Killed, the server leaves a socket that has ended, whatever the fork is at."""
    assert hasty._peer is not None
    assert hasty._process is not None
    line, theirs = socket.socketpair()
    hand_line(hasty._peer, theirs)
    theirs.close()
    sentence = Sentence("stay", "en", 175, 1000, 20)
    say(line, SENTENCE, json.dumps(asdict(sentence)).encode())
    assert hear(line, by=time.monotonic() + 20) == (PCM, OWN)
    hasty._peer.close()
    assert hasty._process.wait(20) == 0
    assert line.recv(1) == b"", "nobody holds its other end"


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
