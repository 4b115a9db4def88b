"""A device of OpenCL that is made of the processor (PoCL): what it costs to wait for it on a loop, and beside it.

All contestants of a group run in one process, which has PoCL on one thread: it shares the processor with the loop.
"""

import os
import sys

from .cases import UVLOOP, Case, Group
from .told import Told, held, told

WAIT, SLOT = "PyOpenCL, event.wait()", "actorpar, slot.done"
QUEUE, EVENT = "actorpar, gpu.done(queue)", "actorpar, gpu.done(event)"
CALLBACK, THREAD = "PyOpenCL, set_callback", "thread, event.wait()"
PLAIN, ASK = "PyOpenCL, plain calls", "actorpar, ask"
ALONE, SMALL, LARGE = "channel alone", "actorpar, 4 KiB", "actorpar, 64 MiB"

#: name of a group: (its contestants, items, what is compared)
SHAPES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "one by one": ((WAIT, QUEUE, EVENT, SLOT, CALLBACK, THREAD), 1_024, "a tiny kernel is launched and waited for"),
    "64 in flight": (
        (WAIT, QUEUE, EVENT, SLOT, CALLBACK, THREAD), 1_024,
        "64 tiny kernels are launched, and each is waited for; event.wait() waits for the last one alone",
    ),
    "hand-over": (
        (ALONE, SMALL, LARGE), 4_096,
        "an array goes from a stream to another: send, receive, and the device waits for the work before",
    ),
    "ask, 4 KiB": ((PLAIN, ASK), 512, "copy in, compute, copy out"),
    "ask, 1 MiB": ((PLAIN, ASK), 256, "copy in, compute, copy out"),
}  # fmt: skip


def _start() -> Told:
    environment = {**os.environ, "POCL_MAX_PTHREAD_COUNT": "1"}
    return Told([sys.executable, "-m", "tests.bench.device_program"], environment)


def groups() -> list[Group]:
    return [
        Group(
            f"devices, {shape}", what, items,
            tuple(Case(each, told(f"{shape}: {each}"), needs=("pyopencl",)) for each in contestants),
            "us", least=64, loops=(UVLOOP,), around=held(_start),
        )
        for shape, (contestants, items, what) in SHAPES.items()
    ]  # fmt: skip
