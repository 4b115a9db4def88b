"""How much goes to a worker at a time, by what the calls before took: seconds, and bytes of arguments and results.

The way to a worker and back costs as much as a short call. So short calls go in batches, and a worker has several jobs
in hand while they are short. What is large goes by itself: however short its calls are, a pool holds few MiB of it.
"""

from __future__ import annotations

import math
from typing import Any, Final

#: Seconds that a batch should take: a hundred times what its way costs in all processes together, and short enough for
#: who waits for the results.
WORTH: Final = 0.05
#: Calls of a batch at most, and bytes from which it is full.
MOST_CALLS: Final = 1024
FULL: Final = 1 << 20
#: Seconds that a job takes on its way to a worker and back, with room to spare; what is in hand lasts as long.
ON_ITS_WAY: Final = 0.01
#: Seconds from which a job is long: what stands behind it would wait while another worker may be idle.
LONG: Final = 0.1
#: Jobs that one worker may have in hand, and their bytes.
MOST_JOBS: Final = 64
IN_HAND: Final = 4 << 20
#: What a new measurement weighs in the mean.
WEIGHT: Final = 0.2


class _Mean:
    """Of seconds and bytes, the latest ones most."""

    __slots__ = ("bytes", "seconds")

    def __init__(self) -> None:
        self.seconds: float | None = None  # until it is known
        self.bytes = 0.0

    def add_seconds(self, seconds: float) -> None:
        self.seconds = seconds if self.seconds is None else self.seconds + WEIGHT * (seconds - self.seconds)

    def add_bytes(self, size: float) -> None:
        self.bytes += WEIGHT * (size - self.bytes)


class Pace:
    """What calls of each function take, and what a job takes."""

    def __init__(self) -> None:
        self._calls: dict[str, _Mean] = {}
        self._job = _Mean()

    def went(self, function: str, calls: int, size: int) -> None:
        """A job of so many calls and bytes is on its way, there or back."""
        self._calls.setdefault(function, _Mean()).add_bytes(size / calls)
        self._job.add_bytes(size)

    def took(self, function: str, calls: int, seconds: float) -> None:
        """A job is done."""
        self._calls.setdefault(function, _Mean()).add_seconds(seconds / calls)
        self._job.add_seconds(seconds)

    def worth(self, function: str) -> float:
        """Calls that are worth their way together; 1 while nothing is known of the function."""
        mean = self._calls.get(function)
        if mean is None or mean.seconds is None:
            return 1
        return min(MOST_CALLS, WORTH / max(mean.seconds, 1e-7), FULL / max(mean.bytes, 1))

    def ahead(self) -> int:
        """Jobs that a worker may have in hand beside those it works at: for long ones, none."""
        if self._job.seconds is None or self._job.seconds > LONG:
            return 0
        lasting = math.ceil(ON_ITS_WAY / max(self._job.seconds, 1e-6))
        return int(min(MOST_JOBS - 1, lasting, IN_HAND / max(self._job.bytes, 1)))


def size_of(values: tuple[Any, ...]) -> int:
    """Bytes of the large ones among arguments, as far as is seen without encoding them."""
    return sum(len(value) if isinstance(value, bytes | str) else getattr(value, "nbytes", 0) for value in values)
