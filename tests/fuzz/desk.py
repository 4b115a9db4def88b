"""What another node may have started, and ask, on the node that is fuzzed."""

from __future__ import annotations

import actorpar as ap


class Desk(ap.Actor):
    """An actor that does no harm."""

    noted = 0

    def note(self, number: int) -> None:
        """A message that is told."""
        self.noted += 1

    def add(self, number: int) -> int:
        """A question."""
        return number + 1


async def double(number: int) -> int:
    """A process."""
    return number * 2
