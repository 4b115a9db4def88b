"""What a test decides in the fake driver of its own process, and what it looks at there; see controls.c."""

from __future__ import annotations

import ctypes
import functools
import os


@functools.cache
def _driver() -> ctypes.CDLL:
    driver = ctypes.CDLL("libcuda.so.1")
    driver.fake_count.restype = ctypes.c_long
    return driver


def open_gate(gate: int = -1) -> None:
    """Let the kernel `gate(id)` of this id end, now and from then on; without one, all gates."""
    _driver().fake_open_gate(gate)


def close_gate(gate: int = -1) -> None:
    """Let it wait again."""
    _driver().fake_close_gate(gate)


def count(what: str) -> int:
    """How many there are of "allocations", "bytes", "pinned", "imported", "streams", "events", "modules", "queued"
    pieces of work, "blocked" calls and kernels at "gates"."""
    found: int = _driver().fake_count(what.encode())
    if found < 0:
        raise ValueError(f"the fake driver does not count {what!r}")
    return found


def await_count(what: str, number: int) -> None:
    """Come back when there are so many: what threads of the driver do is no event for Python."""
    while count(what) != number:
        os.sched_yield()


def fail(function: str, code: int, times: int = 1) -> None:
    """Let the next calls of this function of the driver return this code. PyCUDA calls cuMemAlloc and cuMemHostAlloc a
    second time when there is no memory."""
    _driver().fake_fail(function.encode(), code, times)


def heal() -> None:
    """Forget the faults of all devices, which a real driver never does: so many tests can share a process."""
    _driver().fake_heal()
