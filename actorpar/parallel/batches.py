"""Items cut into batches that are worth their way to a worker."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

#: Seconds that a batch should take: a hundred times what its way to a worker and back costs, and short enough to share
#: the last ones evenly.
WORTH: Final = 0.004
#: Items of a batch at most.
MOST: Final = 1024


class Batches:
    """Lists of calls, each a tuple of arguments; with `spread` an item is such a tuple, otherwise the only argument.

    `seconds()` is what a call takes, None while that is not known: batches are of one then.
    """

    def __init__(
        self, items: Any, size: int | None, workers: int, seconds: Callable[[], float | None], *, spread: bool
    ) -> None:
        self._items = items
        self._size = size
        self._workers = workers
        self._seconds = seconds
        self._spread = spread
        self._left: float = len(items) if hasattr(items, "__len__") else math.inf

    def source(self) -> Iterable[list[tuple[Any, ...]]] | AsyncIterable[list[tuple[Any, ...]]]:
        """The batches, in the order of the items. TypeError for items that are not iterable."""
        if isinstance(self._items, AsyncIterable):
            return self._pulled(self._items)
        return self._cut(iter(self._items))

    def _cut(self, items: Iterator[Any]) -> Iterator[list[tuple[Any, ...]]]:
        batch: list[tuple[Any, ...]] = []
        for item in items:
            call = self._call(item)
            if batch and len(batch[0]) != len(call):
                yield batch
                batch = []
            batch.append(call)
            self._left -= 1
            if len(batch) >= self._worth():
                yield batch
                batch = []
        if batch:
            yield batch

    async def _pulled(self, items: AsyncIterable[Any]) -> AsyncIterator[list[tuple[Any, ...]]]:
        """What comes by and by goes on at once."""
        async for item in items:
            yield [self._call(item)]

    def _call(self, item: Any) -> tuple[Any, ...]:
        if not self._spread:
            return (item,)
        if not isinstance(item, tuple):
            raise TypeError(f"starmap takes tuples of arguments, not {item!r:.100}")
        return item

    def _worth(self) -> int:
        if self._size is not None:
            return self._size
        seconds = self._seconds()
        if seconds is None:
            return 1
        share = self._left / (2 * self._workers)
        return int(max(1, min(MOST, share, WORTH / max(seconds, 1e-7))))
