"""Memory of uploads goes back; in processes of their own, since settings of glibc hold for life."""

import subprocess
import sys

CODE = """
import sys
from serve_app.allocator import return_large_blocks
if sys.argv[1] == "returned":
    return_large_blocks()
def resident_mib():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096 / (1 << 20)
for _ in range(3):  # freed once, blocks of this size count as ordinary
    bytearray(24 << 20)
before = resident_mib()
held = []
for _ in range(8):
    block = bytearray(24 << 20)
    held.append(bytes(bytearray(300_000)))  # outlives the block, behind it on the heap
    del block
uploads = [bytearray(24 << 20) for _ in range(4)]
pins = [bytes(100_000) for _ in range(4)]
del uploads
print(resident_mib() - before)
"""


def grown_mib(mode: str) -> float:
    command = [sys.executable, "-c", CODE, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_large_blocks_go_back_though_small_ones_behind_them_live():
    assert grown_mib("kept") > 50
    assert grown_mib("returned") < 10
