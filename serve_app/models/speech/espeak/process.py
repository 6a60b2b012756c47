"""The process that speaks, as its parent sees it: started, asked, started anew when it has died.

Blocking, for the one thread that does a model's work.
"""

import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from serve_app.errors import ConfigError
from serve_app.models.protocols import ModelBrokenError, UnspeakableError
from serve_app.models.speech.espeak.library import INSTALL
from serve_app.models.speech.espeak.messages import (
    MISSING,
    PCM,
    READY,
    REFUSED,
    SENTENCE,
    hear,
    say,
)

logger = logging.getLogger(__name__)

_MODULE = "serve_app.models.speech.espeak.child"
_START_TIMEOUT_S = 30.0
_STARTS = 3
"""Failed starts in a row, after which nobody will speak here any more."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the child is told to say."""

    text: str
    voice: str
    words_per_minute: int
    max_samples: int
    cpu_s: int


class _LostError(Exception):
    """The process is gone, or too slow to wait for."""


class SpeakingProcess:
    """One at a time, with `timeout_s` for each sentence."""

    def __init__(self, name: str, timeout_s: float) -> None:
        """
        Raises:
            ConfigError: it does not start, as where espeak-ng is not installed.
        """
        self._name = name
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._peer: socket.socket | None = None
        self.version = ""
        self.rate_hz = 0
        self.num_lost = 0
        """Processes that died or were killed, so far."""
        try:
            self._start()
        except _LostError as error:
            raise ConfigError(
                f"synthesizers.{name}", f"espeak-ng does not start: {error}"
            ) from error

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def say(self, text: str, voice: str, words_per_minute: int, max_samples: int) -> bytes:
        """PCM16LE at `rate_hz`. What dies of a sentence is asked a second time, anew: it may have
        died of something else.

        Raises:
            UnspeakableError: it died again, or this cannot be said.
            ModelBrokenError: no process starts any more.
        """
        cpu_s = math.ceil(self._timeout_s)
        sentence = Sentence(text, voice, words_per_minute, max_samples, cpu_s)
        for _ in range(2):
            self._revive()
            try:
                return self._ask(sentence)
            except TimeoutError:
                self._end()
                raise UnspeakableError(f"it takes longer than {self._timeout_s:g} s") from None
            except (OSError, _LostError) as error:
                logger.warning("%s lost its process: %r", self._name, error)
                self._end()
        raise UnspeakableError("espeak-ng dies of it")

    def close(self) -> None:
        self._end()

    def _ask(self, sentence: Sentence) -> bytes:
        assert self._peer is not None, "revived"
        self._peer.settimeout(self._timeout_s)
        say(self._peer, SENTENCE, json.dumps(asdict(sentence)).encode())
        kind, payload = self._hear(self._peer)
        if kind == REFUSED:
            raise UnspeakableError(payload.decode(errors="replace"))
        if kind != PCM or len(payload) % 2:
            raise _LostError("it says what nobody says")
        return payload

    def _revive(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        for attempt in range(_STARTS):
            try:
                return self._start()
            except (_LostError, ConfigError) as error:
                logger.error("%s: espeak-ng does not start: %s", self._name, error)
                time.sleep(0.1 * attempt)
        raise ModelBrokenError(self._name)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs)
        self._peer = ours
        ours.settimeout(_START_TIMEOUT_S)
        try:
            kind, payload = self._hear(ours)
        except OSError as error:
            self._end()
            raise _LostError(str(error)) from error
        except _LostError:
            self._end()
            raise
        if kind == MISSING:
            self._end()
            raise ConfigError(f"synthesizers.{self._name}", f"{payload.decode()}: {INSTALL}")
        if kind != READY:
            self._end()
            raise _LostError("it does not say that it is ready")
        facts = json.loads(payload)
        self.version, self.rate_hz = str(facts["version"]), int(facts["rate_hz"])
        if "landlock" not in facts["barriers"]:
            logger.warning("%s runs without landlock: this kernel does not offer it", self._name)

    def _hear(self, peer: socket.socket) -> tuple[bytes, bytes]:
        heard = hear(peer)
        if heard is None:
            raise _LostError("it has ended")
        return heard

    def _end(self) -> None:
        """Leave neither process nor socket behind, nor a fork that still speaks."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.num_lost += 1


def _spawn(stdin: socket.socket) -> "subprocess.Popen[bytes]":
    environment = {"PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", _MODULE],
        stdin=stdin.fileno(),
        stdout=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        start_new_session=True,
    )
