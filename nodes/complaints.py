"""What goes wrong by the doing of others: each is counted, and of each kind the log has one line a second at most."""

from __future__ import annotations

import collections
import logging
from typing import Final

from actorpar.channels import env

logger = logging.getLogger("actorpar.nodes")

#: Seconds for which more of a kind are only counted, after one was logged.
QUIET: Final = 1.0


class Complaints:
    """Of one node."""

    def __init__(self) -> None:
        #: How often what has happened.
        self.counters: collections.Counter[str] = collections.Counter()
        self._logged: dict[str, float] = {}

    def note(self, kind: str, text: str, *values: object, count: int = 1) -> None:
        """So many of a kind have happened; `text` with `values` says what the last one was."""
        self.counters[kind] += count
        now = env.clock()
        if now - self._logged.get(kind, -QUIET) >= QUIET:
            self._logged[kind] = now
            logger.warning(text + "; more within %g s are only counted", *values, QUIET)
