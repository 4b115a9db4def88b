"""Trying again: how often, after how long, and after which errors."""

from __future__ import annotations

from dataclasses import dataclass

from ..channels import env
from .errors import InvalidPipeline


@dataclass(frozen=True, slots=True)
class Retry:
    """How a stage tries an item again before its `on_error` decides.

    attempts  how often the function is called for one item at most, the first time included
    base      seconds before the second attempt; the pause doubles with each one
    cap       the longest pause in seconds
    only      the exceptions after which another attempt makes sense; any other goes to `on_error` at once

    Each pause is drawn from its upper half, so that workers which failed together do not come back together. A
    cancellation is never tried again, whatever `only` says. The worker keeps its item meanwhile and takes no other.
    """

    attempts: int = 3
    base: float = 0.1
    cap: float = 10.0
    only: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise InvalidPipeline(f"attempts counts the first one, too: an int of at least 1, not {self.attempts!r}")
        if not 0 <= self.base <= self.cap:
            raise InvalidPipeline(f"pauses need 0 <= base <= cap, not base {self.base!r} and cap {self.cap!r}")

    def pause(self, failures: int) -> float:
        """Seconds before the next attempt after `failures` >= 1 in a row."""
        longest = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        return longest * (0.5 + 0.5 * env.random.random())
