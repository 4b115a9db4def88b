"""The nodes that somebody here starts again when they end: whoever wants one of them waits, and does not fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Expected:
    """Of one node: who is to come back, by name and by label."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[str, ...]] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, name: str, labels: tuple[str, ...]) -> None:
        """This node will be there again, whenever it is lost."""
        self._labels[name] = labels

    def remove(self, name: str) -> None:
        """It will not: who waits for it learns that."""
        if self._labels.pop(name, None) is not None:
            self.changed()

    def has(self, on: str) -> bool:
        """True if one of this name or label will be there again."""
        return on in self._labels or any(on in labels for labels in self._labels.values())

    async def wait(self, on: str, is_there: Callable[[], object]) -> None:
        """Wait until a node of this name or label is there; no longer than one is expected."""
        while not is_there() and self.has(on):
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)

    def changed(self) -> None:
        """A node has come or gone, or is not expected any more."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
