"""Messages that nobody will handle: counted, published, logged at most once a second for each actor (AC-6, AC-58)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from .entry import Letter, name_of_letter
from .errors import MailboxFull
from .events import DeadLetter, EventStream, Unhandled
from .kind import name_of

if TYPE_CHECKING:
    from .cell import Cell
    from .counters import Counters

logger = logging.getLogger("actorpar")

#: Seconds for which an actor's further dead letters are only counted, after one was logged.
QUIET: Final = 1.0
#: Actors whose last log line is remembered.
REMEMBERED: Final = 1024


class DeadLetters:
    """The dead letters of one system."""

    def __init__(self, counters: Counters, events: EventStream) -> None:
        self._counters = counters
        self._events = events
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, cell: Cell, letter: Letter, why: str, sender: Cell | None) -> None:
        """A message to `cell` became a dead letter; whoever asked it learns why."""
        self._counters.dead_letters[why] += 1
        request = None if isinstance(letter, tuple) else letter.request
        if request is not None:
            full = MailboxFull(f"the mailbox of {cell.name} is full ({len(cell)} messages)")
            request.fail(full if why == "overflow" else cell.dead())
        if self._events.wanted:
            self._events.publish(DeadLetter(cell, cell.name, name_of_letter(letter), why, sender))
        self._log(cell, why, letter)

    def unhandled(self, cell: Cell, method: Any, sender: Cell | None) -> None:
        """Somebody named a message that `cell` does not have."""
        if self._events.wanted:
            self._events.publish(Unhandled(cell, cell.name, name_of(method), sender))

    def _log(self, cell: Cell, why: str, letter: Letter) -> None:
        now = cell.dispatcher.loop.time()
        key = (cell.name, why)
        last, muted = self._logged.pop(key, (-QUIET, 0))
        if now - last < QUIET:
            self._logged[key] = (last, muted + 1)
            return
        if len(self._logged) >= REMEMBERED:
            del self._logged[next(iter(self._logged))]
        self._logged[key] = (now, 0)
        told = (
            f"its mailbox is full ({len(cell)} of {cell.kind.mailbox})"
            if why == "overflow"
            else f"it has ended: {cell.stopping}"
        )
        more = f", and {muted} more since the last line" if muted else ""
        level = logging.WARNING if why == "overflow" else logging.INFO
        logger.log(
            level,
            "%s: dead letter %s, for %s%s",
            cell.name,
            name_of_letter(letter),
            told,
            more,
            extra={"actor": cell.name},
        )
