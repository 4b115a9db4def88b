"""How often a supervisor has restarted lately (AC-39)."""

from __future__ import annotations

import collections


class RestartWindow:
    """Allows `intensity` restarts in any `period` seconds; every attempt counts, those that failed too."""

    __slots__ = ("_times", "intensity", "period")

    def __init__(self, intensity: int, period: float) -> None:
        self.intensity = intensity
        self.period = period
        self._times: collections.deque[float] = collections.deque()

    def allows(self, now: float) -> bool:
        """Count an attempt at this moment. False: it is one too many."""
        times = self._times
        while times and now - times[0] > self.period:
            times.popleft()
        times.append(now)
        return len(times) <= self.intensity
