"""The system calls that a warm decoder may make, by machine; tables, nothing else.

To hear and to speak on descriptors that it has, to get and give back memory, to know the time, to
die. Numbers: <asm/unistd_64.h> of x86-64, <asm-generic/unistd.h> of the others.
"""

from collections.abc import Mapping

AUDIT_ARCH: Mapping[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""<linux/audit.h>, by the name that the machine gives itself."""

_NAMES_X86_64 = {
    "read": 0, "write": 1, "close": 3, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
    "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "getpid": 39, "sendto": 44, "recvfrom": 45,
    "exit": 60, "gettimeofday": 96, "getrusage": 98, "sigaltstack": 131, "gettid": 186,
    "futex": 202, "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230,
    "exit_group": 231, "getrandom": 318,
}  # fmt: skip
_NAMES_AARCH64 = {
    "close": 57, "lseek": 62, "read": 63, "write": 64, "ppoll": 73, "exit": 93, "exit_group": 94,
    "futex": 98, "clock_gettime": 113, "clock_nanosleep": 115, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135,
    "rt_sigreturn": 139, "getrusage": 165, "gettimeofday": 169, "getpid": 172, "gettid": 178,
    "sendto": 206, "recvfrom": 207, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222,
    "mprotect": 226, "madvise": 233, "getrandom": 278,
}  # fmt: skip

PLAIN: Mapping[str, tuple[int, ...]] = {
    "x86_64": tuple(_NAMES_X86_64.values()),
    "aarch64": tuple(_NAMES_AARCH64.values()),
}
"""Allowed with any arguments."""

READING: Mapping[str, tuple[int, ...]] = {
    # open, stat, fstat, lstat, ioctl, pread64, access, fcntl, getdents64, openat, newfstatat, statx
    "x86_64": (2, 4, 5, 6, 16, 17, 21, 72, 217, 257, 262, 332),
    # fcntl, ioctl, faccessat, openat, getdents64, pread64, newfstatat, fstat, statx
    "aarch64": (25, 29, 48, 56, 61, 67, 79, 80, 291),
}
"""Allowed as well to who may read files; which ones, Landlock says."""

_PRLIMIT_X86_64, _TGKILL_X86_64 = 302, 234
_PRLIMIT_AARCH64, _TGKILL_AARCH64 = 261, 131

OF_ITSELF: Mapping[str, tuple[tuple[int, bool], ...]] = {
    "x86_64": ((_PRLIMIT_X86_64, False), (_TGKILL_X86_64, True)),
    "aarch64": ((_PRLIMIT_AARCH64, False), (_TGKILL_AARCH64, True)),
}
"""Allowed for the process itself alone, as its first argument says: its own pid (True), or 0."""
