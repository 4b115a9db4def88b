"""What the workers of the tests do."""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import actorpar as ap


@dataclass
class Point:
    x: float
    y: float


def square(x: int) -> int:
    return x * x


def length(point: Point, scale: float = 1.0) -> float:
    return scale * math.hypot(point.x, point.y)


def swapped(point: Point) -> Point:
    return Point(point.y, point.x)


def total(*numbers: int, start: int = 0) -> int:
    return sum(numbers, start)


def total_of(array: np.ndarray) -> float:
    return float(array.sum())


def doubled(array: np.ndarray) -> np.ndarray:
    return array * 2


async def later(x: int) -> int:
    await asyncio.sleep(0.001)
    return x + 1


def refuse(x: int) -> int:
    if x == 3:
        raise ap.Reject("three is not taken")
    if x == 7:
        raise ValueError("seven is never right")
    return x


def die_once(mark: str, x: int) -> int:
    """Kill its worker, the first time that it is called for this mark."""
    path = Path(mark)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def pid(_: int) -> int:
    return os.getpid()


def threads(_: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def nap(seconds: float) -> float:
    time.sleep(seconds)  # a thread of its own could not do more: it is work that does not yield
    return seconds


def keep_the_lock(seconds: int) -> int:
    """What many calls into C do: no other thread of the process runs meanwhile."""
    return int(ctypes.PyDLL(None).sleep(seconds))


def size(array: np.ndarray) -> int:
    return array.size


def where(array: np.ndarray) -> str:
    """The file that the memory of an array is mapped from."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= array.ctypes.data < last:
            return line
    return ""


def shared(size: int) -> np.ndarray:
    array: np.ndarray = ap.empty_shared(size)
    array[:] = 7
    return array


def die_with(_: np.ndarray) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def marked(folder: str, x: int) -> int:
    (Path(folder) / str(x)).touch()
    time.sleep(0.05)
    return x


def a_function_for_an_end(_: ap.Sender[int]) -> int:
    return 0


def what_cannot_cross(_: int) -> object:
    return object()
