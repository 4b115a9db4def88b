"""The channels that a worker sends on, and the jobs it was given beyond the one at work."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

import actorpar as ap

from .errors import FetchError
from .job import Job, Outcome
from .messages import Landing, Note


@dataclass(slots=True)
class Lines:
    """One worker's ends, and its rest."""

    notes: ap.Sender[Note]
    outcomes: ap.Sender[Outcome]
    small: ap.Sender[Landing]
    large: ap.Sender[Landing]
    rest: collections.deque[Job] = field(default_factory=collections.deque)

    async def give_back(
        self, *, tired: str | None = None, pause: float = 0.0, reason: FetchError | None = None
    ) -> None:
        """Give the rest back to the frontier, because the job at work will take long or the host has to rest."""
        if self.rest or tired is not None:
            again = tuple(self.rest)
            self.rest.clear()
            await self.notes.send(Note(again=again, tired=tired, pause=pause, reason=reason))
