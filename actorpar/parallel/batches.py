"""Items cut into batches that are worth their way to a worker."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from .pace import FULL, size_of


class Batches:
    """Lists of calls, each a tuple of arguments; with `spread` an item is such a tuple, otherwise the only argument.

    size   of each batch. By default it ends with as many items as are `worth()` their way by then, or with those that
           are FULL together; towards the end it is smaller, so that all workers end together
    """

    def __init__(self, items: Any, size: int | None, workers: int, worth: Callable[[], float], *, spread: bool) -> None:
        self._items = items
        self._size = size
        self._workers = workers
        self._worth = worth
        self._spread = spread
        self._bytes = 0
        self._total: float = len(items) if hasattr(items, "__len__") else math.inf
        self._left = self._total

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
            if self._is_whole(batch):
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

    def _is_whole(self, batch: list[tuple[Any, ...]]) -> bool:
        if self._size is not None:
            return len(batch) >= self._size
        self._bytes += size_of(batch[-1])
        worth = self._worth()
        share = max(self._left / (2 * self._workers), min(worth / 8, self._total / (16 * self._workers)))
        whole = len(batch) >= int(max(1, min(share, worth))) or self._bytes >= FULL
        if whole:
            self._bytes = 0
        return whole
