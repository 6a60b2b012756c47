"""A process that speaks: sentences in, PCM out, over the socket that it gets as its stdin.

It loads espeak-ng once and speaks each sentence in a fork of itself. So each begins from the same
state and gives the same samples, whatever was said before; and what a hostile text does to one
fork, it does to no other. Of all files it can read espeak-ng's own, and a fork reaches nothing else
either (`sandbox.confinement`). Nothing of it outlives its parent: the socket ends then.

    child:   READY (JSON: version, rate_hz, barriers)  or  MISSING (a text), after which it exits
    parent:  a sentence (JSON: text, voice, words_per_minute, max_samples, cpu_s)
    child:   PCM  or  REFUSED (a text); a fork that dies takes the child with it
"""

import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable

from serve_app.audio.sandbox.confinement import confine
from serve_app.models.speech.espeak.library import (
    Library,
    NoSuchVoiceError,
    NotInstalledError,
    TooLongError,
)
from serve_app.models.speech.espeak.messages import (
    MISSING,
    PCM,
    READY,
    REFUSED,
    SENTENCE,
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
    while (heard := hear(peer)) is not None:
        kind, payload = heard
        if kind == SENTENCE:
            _in_a_fork(library, peer, json.loads(payload))


def _in_a_fork(library: Library, peer: socket.socket, sentence: dict[str, object]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _answer(library, peer, **sentence)  # type: ignore[arg-type]  # JSON
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if status:  # it may have said half of what it had to say
        sys.exit(f"espeak-ng ended with status {os.waitstatus_to_exitcode(status)}")


def _answer(
    library: Library,
    peer: socket.socket,
    text: str,
    voice: str,
    words_per_minute: int,
    max_samples: int,
    cpu_s: int,
) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    confine({"seccomp"}, readable=library.data_path)
    try:
        pcm = library.speak(text, voice, words_per_minute, max_samples)
    except NoSuchVoiceError:
        say(peer, REFUSED, f"this espeak-ng has no voice {voice}".encode())
    except TooLongError:
        say(peer, REFUSED, b"it sounds longer than may be")
    else:
        say(peer, PCM, pcm)


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
