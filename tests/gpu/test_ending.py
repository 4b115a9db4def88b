"""How the process of a lost device ends, and that no other one does."""

from __future__ import annotations

import subprocess
import sys

from actorpar.gpu.ending import EX_DEVICE_LOST

LEAVES = """
import atexit, logging, logging.handlers, sys
from actorpar.gpu.ending import belong_to, leave_process
from actorpar.gpu.errors import DeviceHung
logging.basicConfig()
kept = logging.handlers.MemoryHandler(100, target=logging.StreamHandler(sys.stderr))
logging.getLogger("program").addHandler(kept)
logging.getLogger("program").warning("kept back")
atexit.register(print, "cleaned up")
sys.stdout.write("half a line")
{}
leave_process(DeviceHung("nothing was done for 5 s"))
print(", and the rest")
"""


def leave(before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LEAVES.format(before)], capture_output=True, text=True, timeout=60, check=False
    )


def test_dv07_a_node_for_a_device_ends_at_once_and_what_it_had_said_is_out() -> None:
    done = leave("belong_to('cuda:0')")
    assert (done.returncode, done.stdout) == (EX_DEVICE_LOST, "half a line")
    assert "cuda:0 is lost, and its process ends: DeviceHung: nothing was done for 5 s" in done.stderr
    assert "kept back" in done.stderr


def test_a_stream_that_nobody_reads_keeps_it_from_nothing() -> None:
    done = leave("belong_to('cuda:0'); sys.stdout.close(); sys.stderr = None")
    assert done.returncode == EX_DEVICE_LOST


def test_dv07_any_other_process_goes_on() -> None:
    done = leave("")
    assert (done.returncode, done.stdout) == (0, "half a line, and the rest\ncleaned up\n")
    assert "is lost" not in done.stderr
