"""Rates: a token bucket that lends, so that one `take` never waits for another."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """At most `rate` units per second in the long run, with bursts of `burst` units.

    `take` always succeeds and tells how long the caller has to pause; what is taken beyond the level is a debt that
    later takers pay for. Takers are thus served in the order in which they asked, without a queue or a lock.
    """

    def __init__(self, rate: float, clock: Callable[[], float], *, burst: float | None = None) -> None:
        if rate <= 0:
            raise ValueError(f"a rate must be positive, not {rate}")
        self.rate = rate
        self._burst = burst if burst is not None else rate / 4
        self._clock = clock
        self._level = self._burst
        self._at = clock()

    def take(self, amount: float) -> float:
        """Take `amount` units now; seconds to pause before using them (0.0: none)."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self.rate) - amount
        self._at = now
        return max(0.0, -self._level / self.rate)


class SlowWatch:
    """Tells when less than `rate` bytes per second came over `window` seconds of waiting for the network."""

    def __init__(self, rate: float, window: float = 10.0) -> None:
        self.rate = rate
        self.window = window
        self._seconds = 0.0
        self._bytes = 0

    def too_slow(self, count: int, seconds: float) -> bool:
        """Record that `count` bytes took `seconds`; True at the end of a window that brought too little."""
        self._bytes += count
        self._seconds += seconds
        if self._seconds < self.window:
            return False
        slow = self._bytes < self.rate * self._seconds
        self._seconds, self._bytes = 0.0, 0
        return slow
