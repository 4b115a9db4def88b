"""How often, and how soon, a node for a device is started again.

The first time it is at once, for a device that one kernel has lost is well in the next process. A device that is broken
loses each process: then the pauses grow, and in the end it is left alone.
"""

from __future__ import annotations

import logging
import math
import signal
from typing import Final

from ..actors.backoff import Backoff
from ..actors.restarts import RestartWindow
from ..channels import env

logger = logging.getLogger("actorpar.launch")

#: Starts in so many seconds, beyond which it is given up.
STARTS: Final = 5
SECONDS: Final = 60.0
#: Pauses before the second start of these and those that follow.
PAUSES: Final = Backoff(0.25, 5.0)
#: Exit codes of a process that was told to end, and did.
_TOLD: Final = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def is_failure(code: int) -> bool:
    """True unless a process with this exit code has ended in order."""
    return code not in _TOLD


class Attempts:
    """The starts of one node."""

    def __init__(self) -> None:
        self._window = RestartWindow(STARTS, SECONDS)
        self._failures = 0
        self._last = -math.inf

    def next(self, name: str) -> float | None:
        """How many seconds to wait before the next start, counted from now on; None: there is none, as is logged."""
        now = env.clock()
        if not self._window.allows(now):
            logger.error("%s has failed more than %d times in %g s and is not started again", name, STARTS, SECONDS)
            return None
        self._failures = 0 if now - self._last > SECONDS else self._failures + 1
        self._last = now
        return PAUSES.delay(self._failures - 1) if self._failures else 0.0
