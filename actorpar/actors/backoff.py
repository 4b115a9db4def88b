"""How long a supervisor waits before it starts a child again (AC-41)."""

from __future__ import annotations

from dataclasses import dataclass

from ..channels import env
from .refusals import InvalidChild


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays of `base`, 2 `base`, 4 `base` … seconds, never more than `cap`.

    jitter       share by which a delay may be shorter, so that many children do not come back at the same moment;
                 drawn from `actorpar.channels.env.random`
    reset_after  an incarnation that has run for so many seconds begins again with `base`; None: `cap` seconds

    During the delay the child is `restarting`. Raises InvalidChild for values that make no delays.
    """

    base: float
    cap: float
    jitter: float = 0.2
    reset_after: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap:
            raise InvalidChild(f"a back-off has 0 < base <= cap, not base {self.base!r} and cap {self.cap!r}")
        if not 0 <= self.jitter <= 1:
            raise InvalidChild(f"the jitter of a back-off is a share from 0 to 1, not {self.jitter!r}")
        if self.reset_after is not None and not self.reset_after >= 0:
            raise InvalidChild(f"reset_after is a number of seconds from 0 on, not {self.reset_after!r}")

    def delay(self, failures: int) -> float:
        """Seconds to wait after `failures` earlier ones in a row: min(cap, base * 2 ** failures), less the jitter."""
        longest = self.cap if failures > 60 else min(self.cap, self.base * 2**failures)
        return longest * (1 - self.jitter * env.random.random()) if self.jitter else longest

    def is_over(self, seconds: float) -> bool:
        """True if a child that has run for so long counts as healthy again."""
        return seconds >= (self.cap if self.reset_after is None else self.reset_after)
