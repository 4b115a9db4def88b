"""What a system counts. Messages are counted once for each turn of an actor, never one by one."""

from __future__ import annotations

from collections import Counter


class Counters:
    """Totals since the system started; plain ints, read at any time."""

    __slots__ = (
        "asked", "crashed", "dead_letters", "ended", "expired", "handled", "inlined", "late", "rejected", "restarted",
        "spawned", "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.spawned = 0  # actors started
        self.ended = 0  # actors ended, for whatever reason
        self.crashed = 0  # of these, by an error
        self.restarted = 0  # actors that a supervisor started in place of another
        self.handled = 0  # messages handled in turns
        self.inlined = 0  # asks that were handled inside the asker's step
        self.asked = 0  # asks that went through a mailbox
        self.turns = 0  # times an actor was given its turn
        self.rejected = 0  # requests that a handler rejected
        self.late = 0  # answers that came after the asker had given up
        self.expired = 0  # requests that were dropped unhandled, because the asker had given up
        self.dead_letters: Counter[str] = Counter()  # by reason: dead, overflow

    def __repr__(self) -> str:
        return f"Counters({', '.join(f'{name}={getattr(self, name)}' for name in self.__slots__)})"
