"""What a decoder that a stranger has taken over would try. Each returns once it has succeeded."""

import ctypes
import errno
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping

_libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH = 16


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _fork(path: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def _run(path: str) -> None:
    if os.fork() == 0:
        try:
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(1)


def _raise_limit(path: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _limit_the_parent(path: str) -> None:
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)


def _read_by_the_kernels_table(path: str) -> None:
    os.pread(os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY), 1, 0)


TRESPASSES: Mapping[str, Callable[[str], object]] = {
    "read a file": lambda path: os.open(path, os.O_RDONLY),
    "read the memory of its parent": _read_by_the_kernels_table,
    "list a folder": lambda path: os.listdir("/"),
    "write a file": lambda path: os.open(path, os.O_WRONLY),
    "make a file": lambda path: os.open(f"{path}.new", os.O_CREAT | os.O_WRONLY),
    "cut a file": lambda path: os.truncate(path, 0),
    "delete a file": os.unlink,
    "rename a file": lambda path: os.rename(path, f"{path}.new"),
    "make a folder": lambda path: os.mkdir(f"{path}.new"),
    "make a link": lambda path: os.symlink("/etc", f"{path}.new"),
    "open a TCP socket": lambda path: socket.socket(socket.AF_INET),
    "open a UDP socket": lambda path: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "open a local socket": lambda path: socket.socket(socket.AF_UNIX),
    "make a file in memory": lambda path: os.memfd_create("it"),
    "make a pipe": lambda path: os.pipe(),
    "double a descriptor": lambda path: os.dup(0),
    "start a process": _fork,
    "run a program": _run,
    "signal its parent": lambda path: os.kill(os.getppid(), signal.SIGUSR1),
    "trace its parent": lambda path: _checked(
        _libc.ptrace(_PTRACE_ATTACH, os.getppid(), None, None)
    ),
    "raise its own limits": _raise_limit,
    "ask for the limits of its parent": _limit_the_parent,
    "mount a file system": lambda path: _checked(
        _libc.mount(b"none", path.encode(), b"tmpfs", 0, None)
    ),
}


def errno_of(name: str, path: str) -> int:
    """What trying `name` fails with; 0 where it succeeds."""
    try:
        TRESPASSES[name](path)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:  # what `resource` makes of EPERM
        return errno.EPERM
    return 0
