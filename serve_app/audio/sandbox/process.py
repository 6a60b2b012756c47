"""One decoder process, as its parent sees it: an upload goes in, blocks of PCM come out."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import Self

from serve_app.audio.sandbox.messages import (
    BLOCK,
    CRASHED,
    END,
    HEADER,
    MAX_ANSWER_BYTES,
    OUT_OF_MEMORY_STATUS,
    READY,
    REFUSED,
    REQUEST,
    UPLOAD,
    DecoderLimits,
    DecoderRequest,
    block_from_bytes,
    refusal_from_json,
)
from serve_app.audio.waveform import Block
from serve_app.errors import DecoderLostError, UndecodableAudioError

_log = logging.getLogger(__name__)

_START_TIMEOUT_S = 60.0
_DEATH_TIMEOUT_S = 5.0
CHILD = "serve_app.audio.sandbox.child"
"""The module that runs in a decoder."""
_SLICE_BYTES = 256 * 1024
"""Of an upload on its way to a decoder, so that the event loop copies little at a time."""


class DecoderProcess:
    """One child process, as its parent sees it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        process: "subprocess.Popen[bytes]",
        inbox: int,
        timeout_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._process = process
        self._timeout_s = timeout_s
        self.inbox: int = inbox
        """Descriptor of the file that the decoder reads large uploads from."""
        self.at_rest = True
        """Whether it has said all that it has to say of the upload that it got last."""
        self.barriers: frozenset[str] = frozenset()
        """What holds it, of `confinement.ALL`."""
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._pidfd = os.pidfd_open(process.pid)
        loop.add_reader(self._pidfd, self._on_end)

    @classmethod
    async def start(cls, limits: DecoderLimits, timeout_s: float, module: str = CHILD) -> Self:
        """Return once it is warm and confined.

        Raises:
            OSError, EOFError, ValueError: it does not start.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            inbox = -1
            try:
                inbox = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR, 0o600)
                process = _spawn(theirs, inbox, limits, module)
                decoder = cls(reader, writer, process, inbox, timeout_s)
            except BaseException:
                writer.close()
                if inbox >= 0:
                    os.close(inbox)
                raise
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                kind, barriers = await decoder._hear()
            if kind != READY:
                raise ConnectionError("it does not say that it is ready")
            decoder.barriers = frozenset(json.loads(barriers))
        except EOFError as error:
            status = await decoder._status()
            await decoder.end()
            raise EOFError(f"it ended with status {status}") from error
        except BaseException:
            await decoder.end()
            raise
        return decoder

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._ended.done()

    async def send(self, request: DecoderRequest, upload: bytes = b"") -> None:
        """Hand over an upload, unless it is in the inbox; the decoder takes all of it before it
        says anything.

        Raises:
            UndecodableAudioError: the decoder died of it, or did not take it in time.
        """
        self.at_rest = False
        said = json.dumps(asdict(request)).encode()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(HEADER.pack(REQUEST, len(said)) + said)
                if request.inbox_bytes is None:
                    self._writer.write(HEADER.pack(UPLOAD, len(upload)))
                    view = memoryview(upload)
                    for start in range(0, len(upload), _SLICE_BYTES):
                        self._writer.write(view[start : start + _SLICE_BYTES])
                        await self._writer.drain()
        except OSError as error:
            raise await self._blame(error) from error

    async def next_block(self) -> Block | None:
        """The next block of the upload; None after the last.

        Raises:
            AudioError, InvalidOptionError: what the decoder says is wrong with the upload.
            UndecodableAudioError: the decoder died of it, or gave nothing in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                kind, payload = await self._hear()
            refusal = refusal_from_json(payload) if kind == REFUSED else None
            block = block_from_bytes(payload) if kind == BLOCK else None
        except (OSError, EOFError, ValueError) as error:
            raise await self._blame(error) from error
        if block is not None:
            return block
        if kind == CRASHED:
            _log.error("a decoder crashed: %s", payload.decode(errors="replace"))
            raise UndecodableAudioError("the decoder crashed on it")
        self.at_rest = True
        if refusal is not None:
            raise refusal
        return None

    async def _hear(self) -> tuple[bytes, bytes]:
        header = await self._reader.readexactly(HEADER.size)
        kind, num_bytes = HEADER.unpack(header)
        if kind not in (READY, BLOCK, END, REFUSED, CRASHED) or num_bytes > MAX_ANSWER_BYTES:
            raise ValueError("a decoder says what no decoder says")
        return kind, await self._reader.readexactly(num_bytes)

    async def _blame(self, error: Exception) -> UndecodableAudioError:
        """What became of the process, as the client may read it."""
        if isinstance(error, TimeoutError):
            return DecoderLostError(f"no audio came out of it in {self._timeout_s:g} s")
        if isinstance(error, ValueError):
            self.kill()  # it still lives, and talks nonsense
        status = await self._status()
        if status == OUT_OF_MEMORY_STATUS:
            return UndecodableAudioError("decoding it takes too much memory")
        if status == -signal.SIGXCPU:
            return UndecodableAudioError("decoding it takes too much processor time")
        _log.error("a decoder crashed with status %d: %r", status, error)
        return DecoderLostError("the decoder crashed on it")

    async def _status(self) -> int:
        """The exit status of a process that has hung up, and so is about to end."""
        try:
            async with asyncio.timeout(_DEATH_TIMEOUT_S):
                return await self.ended()
        except TimeoutError:
            self.kill()
            return await self.ended()

    async def ended(self) -> int:
        """The exit status, once there is one."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    async def end(self) -> None:
        """Leave neither process nor socket behind."""
        self.kill()
        self._writer.transport.abort()
        await self.ended()
        if self.inbox >= 0:
            os.close(self.inbox)
            self.inbox = -1

    def _on_end(self) -> None:
        """Collect the status of the process, now that the kernel says that there is one."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._ended.set_result(self._process.wait())


def _spawn(
    stdin: socket.socket, inbox: int, limits: DecoderLimits, module: str
) -> "subprocess.Popen[bytes]":
    to_read = os.open(f"/proc/self/fd/{inbox}", os.O_RDONLY)
    try:
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", module),
                *(str(os.getpid()), str(to_read), json.dumps(asdict(limits))),
            ],
            stdin=stdin.fileno(),
            stdout=subprocess.DEVNULL,
            pass_fds=(to_read,),
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    finally:
        os.close(to_read)


def _environment() -> dict[str, str]:
    """All that a decoder sees of ours: where to import from, and to start no threads."""
    environment = {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment
