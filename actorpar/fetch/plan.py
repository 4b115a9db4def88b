"""Which bytes of a file are there, which are on their way, and which are still nobody's.

`Ranges` is a set of bytes kept as sorted, disjoint, non-adjacent half-open ranges. `Plan` gives every missing byte to
at most one stream at a time: the claims are disjoint, and claims, gaps and received bytes together are the file.
A stream that finds no gap takes a share from the end of the largest claim: a small one, so that all streams end at
about the same time, and from the end, so that the stream that loses it has one request cut short at most.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of bytes; `list(ranges)` are its maximal ranges in order."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._stops, strict=True))

    def add(self, start: int, stop: int) -> None:
        """Include start <= byte < stop."""
        if start >= stop:
            return
        first = bisect.bisect_left(self._stops, start)
        last = bisect.bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return sum(self._stops) - sum(self._starts)

    def holes(self, total: int) -> list[tuple[int, int]]:
        """The ranges below `total` that it does not hold."""
        edges = [0, *(edge for pair in zip(self._starts, self._stops, strict=True) for edge in pair), total]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(start, min(stop, total)) for start, stop in pairs if start < min(stop, total)]


class Claim:
    """The bytes position <= byte < stop that one stream is to bring; another stream may lower `stop`."""

    __slots__ = ("position", "stop")

    def __init__(self, position: int, stop: int) -> None:
        self.position = position
        self.stop = stop

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return self.stop - self.position


class Plan:
    """The division of a file of known length among streams."""

    def __init__(self, total: int, done: Iterable[tuple[int, int]] = (), *, min_split: int, split: int = 1) -> None:
        self.total = total
        self._min_split = max(1, min_split)
        self._share = max(self._min_split, total // (4 * split))
        self._gaps = Ranges(done).holes(total)
        self._claims: list[Claim] = []

    def claim(self) -> Claim | None:
        """Bytes for one more stream: the first gap, else a share of the largest claim (at most half), else None."""
        if self._gaps:
            found = Claim(*self._gaps.pop(0))
        else:
            largest = max(self._claims, key=lambda claim: claim.left, default=None)
            if largest is None or largest.left < 2 * self._min_split:
                return None
            cut = max(largest.stop - self._share, largest.position + largest.left // 2)
            found = Claim(cut, largest.stop)
            largest.stop = cut
        self._claims.append(found)
        return found

    def extend(self, claim: Claim, most: int) -> bool:
        """Let a claim run on into a gap behind it, up to `most`; False if there is none."""
        index = next((index for index, gap in enumerate(self._gaps) if gap[0] == claim.stop), None)
        if index is None or claim.stop >= most:
            return False
        _, stop = self._gaps.pop(index)
        claim.stop = min(stop, most)
        if claim.stop < stop:
            self._gaps.insert(index, (claim.stop, stop))
        return True

    def release(self, claim: Claim) -> None:
        """A stream ended; what it did not bring is a gap again."""
        self._claims.remove(claim)
        if claim.left > 0:
            bisect.insort(self._gaps, (claim.position, claim.stop))

    def room(self) -> int:
        """How many more streams would be of use now."""
        return sum(claim.left // (2 * self._min_split) for claim in self._claims) + len(self._gaps)

    @property
    def missing(self) -> int:
        """Bytes that have not come."""
        return sum(stop - start for start, stop in self._gaps) + sum(claim.left for claim in self._claims)

    @property
    def complete(self) -> bool:
        """Whether every byte has come and every stream has handed its bytes over."""
        return not self._gaps and not self._claims
