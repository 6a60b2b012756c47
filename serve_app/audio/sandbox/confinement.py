"""What a decoder gives up for good once it is warm: files, sockets, processes, privileges.

    limits        no descriptor can be made any more (RLIMIT_NOFILE 0), whatever the kernel
    capabilities  none, so that being root means nothing
    landlock      no path can be opened, made, renamed or run; no signal leaves (Linux 5.13; 6.12)
    seccomp       only system calls that decoding needs; any other fails with EPERM

Each holds without the others. What the kernel or the machine lacks is left out, and told.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from serve_app.audio.sandbox.system_calls import AUDIT_ARCH, OF_ITSELF, PLAIN, READING

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_NO_NEW_PRIVS = 38
"""<linux/prctl.h>, <linux/seccomp.h>"""
_CAPABILITY_VERSION_3 = 0x20080522
"""<linux/capability.h>"""
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
"""System calls that have one number everywhere."""
_LANDLOCK_ASK_VERSION = 1
_LANDLOCK_FILES: Mapping[int, int] = {1: 13, 2: 14, 3: 15, 5: 16}
"""Version -> how many rights on files it knows, from the lowest bit up: <linux/landlock.h>"""
_LANDLOCK_BENEATH, _LANDLOCK_READ = 1, 0b1100
"""A rule of a folder; to read files and to list folders."""
_LANDLOCK_NETWORK, _LANDLOCK_SCOPES = 0b11, 0b11
"""Bind and connect TCP (version 4); reach abstract sockets and signal others (version 6)."""

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
"""In `struct seccomp_data`."""
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM


ALL = frozenset({"landlock", "limits", "capabilities", "seccomp"})
"""What `confine` returns where nothing is missing."""


def confine(wanted: Collection[str] = ALL, *, readable: str = "") -> list[str]:
    """Give up what is listed above. Open descriptors stay usable; nothing of it can be undone.

    What is in the folder `readable`, if there is one, can be read all the same. Returns the names
    of what holds.

    Raises:
        OSError: what every kernel grants is refused.
    """
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    barriers: tuple[tuple[str, Callable[[], bool]], ...] = (
        # needs a descriptor, so it comes before the limits
        ("landlock", partial(_close_the_file_system, readable)),
        ("limits", _allow_no_descriptors),
        ("capabilities", _drop_capabilities),
        ("seccomp", partial(_filter_system_calls, reads=bool(readable))),
    )
    return [name for name, raise_it in barriers if name in wanted and raise_it()]


def _allow_no_descriptors() -> bool:
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    return True


def _drop_capabilities() -> bool:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)))
    return True


def _close_the_file_system(readable: str) -> bool:
    """Landlock with no exception but one: whatever a rule could allow is refused."""
    version = _libc.syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_ASK_VERSION
    )
    if version < 1:  # not built in, or not switched on
        return False
    files = (1 << max(bits for since, bits in _LANDLOCK_FILES.items() if version >= since)) - 1
    handled = struct.pack("=Q", files)
    if version >= 4:
        handled += struct.pack("=Q", _LANDLOCK_NETWORK)
    if version >= 6:
        handled += struct.pack("=Q", _LANDLOCK_SCOPES)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    _check(ruleset)
    if readable:
        _open_again(ruleset, readable)
    _check(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    _libc.close(ruleset)
    return True


def _open_again(ruleset: int, folder: str) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", _LANDLOCK_READ, descriptor)
        _check(_libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Instruction:
    """One of the classic Berkeley packet filter: <linux/filter.h>."""

    code: int
    value: int
    skipped_if_true: int = 0
    skipped_if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack(
            "=HBBI", self.code, self.skipped_if_true, self.skipped_if_false, self.value
        )


def _filter_system_calls(*, reads: bool) -> bool:
    arch = AUDIT_ARCH.get(platform.machine())
    if arch is None:
        return False
    instructions = b"".join(each.packed() for each in _filter(arch, reads=reads))
    held = ctypes.create_string_buffer(instructions)
    program = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(held))
    # No where the kernel has no filters, or where a container's own profile refuses further ones.
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) == 0)


def _filter(arch: int, *, reads: bool) -> Iterator[_Instruction]:
    machine, own_pid = platform.machine(), _libc.getpid()
    plain = (*PLAIN[machine], *(READING[machine] if reads else ()))
    yield _Instruction(_LOAD, _ARCH_AT)
    yield _Instruction(_JUMP_IF_EQUAL, arch, skipped_if_true=1)
    yield _Instruction(_RETURN, _KILL)
    yield _Instruction(_LOAD, _NUMBER_AT)
    for number in plain:
        yield _Instruction(_JUMP_IF_EQUAL, number, skipped_if_false=1)
        yield _Instruction(_RETURN, _ALLOW)
    for number, is_pid in OF_ITSELF[machine]:
        yield _Instruction(_JUMP_IF_EQUAL, number, skipped_if_false=4)
        yield _Instruction(_LOAD, _FIRST_ARGUMENT_AT)
        yield _Instruction(_JUMP_IF_EQUAL, own_pid if is_pid else 0, skipped_if_false=1)
        yield _Instruction(_RETURN, _ALLOW)
        yield _Instruction(_RETURN, _FAIL)
    yield _Instruction(_RETURN, _FAIL)


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, errno.errorcode.get(number, "the sandbox cannot be closed"))
