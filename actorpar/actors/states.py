"""The states of an actor; what each means stands at the top of cell.py."""

from __future__ import annotations

from typing import Final

IDLE, QUEUED, BUSY, HELD, STARTING, ENDING, DEAD = range(7)

#: Their names, for people.
STATES: Final = ("idle", "queued", "busy", "suspended", "starting", "ending", "dead")
