"""A process that speaks: lines in, over the socket that it gets as its stdin; on each line a
sentence in, and its PCM out.

It loads espeak-ng once and speaks each sentence in a fork of itself. So each begins from the same
state and gives the same samples, whatever was said before. A fork has its own line to who asks and
no other descriptor, and the process between them hears neither sentences nor sounds: what a
hostile text makes of its fork finds no other's in its memory, and answers nobody but its own. Of
all files it can read espeak-ng's own, and a fork reaches nothing else either
(`sandbox.confinement`). Nothing of it outlives its parent: the socket ends then.

    child:   READY (JSON: version, rate_hz, barriers)  or  MISSING (a text), after which it exits
    parent:  LINE, with one end of a line
      on it: a sentence (`messages.Sentence`, JSON)
      fork:  PCM  or  REFUSED (a text)
    child:   ENDED (its status), once the fork is no more
"""

import json
import os
import resource
import select
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress

from serve_app.audio.sandbox.confinement import confine
from serve_app.models.speech.espeak.library import (
    Library,
    NoSuchVoiceError,
    NotInstalledError,
    TooLongError,
)
from serve_app.models.speech.espeak.messages import (
    ENDED,
    MISSING,
    PCM,
    READY,
    REFUSED,
    SENTENCE,
    Sentence,
    handed_line,
    hear,
    say,
)

_MEMORY_BYTES = 512 * 1024 * 1024
"""Of address space; espeak-ng, its data and Python take a quarter of it."""
_MAX_OPEN_FILES = 32


def main(load: Callable[[], Library] = Library.load) -> None:
    peer = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    _limit()
    try:
        library = load()
    except NotInstalledError as error:
        say(peer, MISSING, str(error).encode())
        return
    barriers = confine({"capabilities", "landlock"}, readable=library.data_path)
    ready = {"version": library.version, "rate_hz": library.rate_hz, "barriers": barriers}
    say(peer, READY, json.dumps(ready).encode())
    with suppress(ConnectionError):  # the parent went in the middle of a sentence
        while (line := handed_line(peer)) is not None:
            status = _in_a_fork(library, peer, line)
            say(peer, ENDED, str(status).encode())


def _in_a_fork(library: Library, peer: socket.socket, line: socket.socket) -> int:
    """The status that it ends with. It is killed where its parent's parent says or is no more."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _keep_only(line)
            _answer(library, line)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    line.close()
    _wait_for(pid, peer)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _wait_for(pid: int, peer: socket.socket) -> None:
    """Until a fork has ended, or there is something at `peer`: then it is killed."""
    try:
        fork = os.pidfd_open(pid)
    except (
        OSError
    ):  # before Linux 5.3, or in some sandboxes: it may outlive a parent that is killed
        return
    waiting = select.poll()
    waiting.register(fork, select.POLLIN)
    waiting.register(peer, select.POLLIN)
    if fork not in dict(waiting.poll()):
        os.kill(pid, signal.SIGKILL)
    os.close(fork)


def _keep_only(line: socket.socket) -> None:
    """Of all descriptors, beside the three of any process."""
    os.closerange(3, line.fileno())
    os.closerange(line.fileno() + 1, _MAX_OPEN_FILES)


def _answer(library: Library, line: socket.socket) -> None:
    heard = hear(line)
    if heard is None or heard[0] != SENTENCE:
        return
    wanted = Sentence(**json.loads(heard[1]))
    resource.setrlimit(resource.RLIMIT_CPU, (wanted.cpu_s, wanted.cpu_s))
    confine({"seccomp"}, readable=library.data_path)
    try:
        pcm = library.speak(wanted.text, wanted.voice, wanted.words_per_minute, wanted.max_samples)
    except NoSuchVoiceError:
        say(line, REFUSED, f"this espeak-ng has no voice {wanted.voice}".encode())
    except TooLongError:
        say(line, REFUSED, b"it sounds longer than may be")
    else:
        say(line, PCM, pcm)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
