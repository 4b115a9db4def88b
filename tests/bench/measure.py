"""One sample: what a number of items cost.

`value` is the figure that a group compares. It is processor time per item (of the whole process, all threads) unless
the case says otherwise, because the wall clock of a shared machine mostly measures its other tenants.
"""

import gc
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType


class WrongCount(Exception):
    """A case did not move the items it was asked to move: its time means nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds throughout. `value` is per item for costs, and absolute for latencies; in the group of memory, bytes."""

    items: int
    cpu: float
    wall: float
    value: float


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.sample(items)`. Earlier garbage is collected before it starts."""

    cpu = math.nan
    wall = math.nan

    def __enter__(self) -> "Stopwatch":
        gc.collect()
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall

    def sample(self, items: int) -> Sample:
        """The processor time per item."""
        return Sample(items, self.cpu, self.wall, self.cpu / items)

    def latency(self, seconds: Sequence[float]) -> Sample:
        """The 99th percentile of the given latencies."""
        ranked = sorted(seconds)
        return Sample(len(ranked), self.cpu, self.wall, ranked[math.ceil(0.99 * len(ranked)) - 1])


def expect(what: str, got: object, wanted: object) -> None:
    """Raise WrongCount unless `got` equals `wanted`."""
    if got != wanted:
        raise WrongCount(f"{what}: {got!r} instead of {wanted!r}")
