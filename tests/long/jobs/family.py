"""python -m tests.long.jobs.family COMMAND …: start it; end when nothing it ever started is left.

Whatever loses its parent becomes a child of this process, so that nobody escapes.
"""

import ctypes
import os
import signal
import subprocess
import sys

_SET_CHILD_SUBREAPER = 36
"""Of `prctl`: linux/prctl.h."""


def main(command: list[str]) -> None:
    assert ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    subprocess.Popen(command)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
