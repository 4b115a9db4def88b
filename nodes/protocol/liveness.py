"""Is the other node alive? Heartbeats, suspicion, and the end of patience (NET-41, NET-42).

A machine of times: it is told what was heard and written, and asked at each tick what follows. It knows no clock.

Invariants
- Any byte is a sign of life; a heartbeat is due only when nothing was written for an interval.
- Silence counts only while this node listened: time in which its own loop was blocked is nobody's silence.
- A frame that has begun comes to its end in time, or the connection is told as Stuck: bytes alone are no progress.
- DOWN comes once, and nothing after it. A late loop over there is told as Stalled, and is no silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

#: Seconds without a byte written after which a heartbeat goes.
INTERVAL: Final = 1.0
#: Seconds of silence after which a node is suspected.
SUSPECT_AFTER: Final = 3.0
#: Seconds of silence after which it is down; also the time in which a session may be resumed.
DOWN_AFTER: Final = 10.0
#: Seconds between two ticks that this loop may take; what is beyond was not listened to.
LATE: Final = 1.0
#: Seconds that one frame may take to arrive (A6); a fragment of 1 MiB needs 17 KiB a second.
FRAME_DEADLINE: Final = 60.0
#: Age of the other loop's last tick from which it is told.
STALLED_AFTER: Final = 2.0


@dataclass(frozen=True)
class SendHeartbeat:
    """Nothing was written for a while."""


@dataclass(frozen=True)
class Suspect:
    """Nothing was heard for `silence` seconds."""

    silence: float


@dataclass(frozen=True)
class Alive:
    """The suspected node was heard."""


@dataclass(frozen=True)
class Down:
    """Nothing was heard for too long."""

    silence: float


@dataclass(frozen=True)
class Stalled:
    """The node is alive, and its loop has not run for `age` seconds."""

    age: float


@dataclass(frozen=True)
class Stuck:
    """A frame has been coming for `age` seconds: the connection is of no use; another one may resume the session."""

    age: float


News: TypeAlias = SendHeartbeat | Suspect | Alive | Down | Stalled | Stuck


class Liveness:
    """What one node thinks of another, by the times of its own clock in seconds."""

    def __init__(
        self, now: float, *, interval: float = INTERVAL, suspect_after: float = SUSPECT_AFTER,
        down_after: float = DOWN_AFTER,
    ) -> None:  # fmt: skip
        self._interval = interval
        self._suspect_after = min(suspect_after, down_after)
        self._down_after = down_after
        self._heard = now
        self._wrote = now
        self._ticked = now
        self._stall = 0.0
        self._said = 0
        self._frame = 0
        self._frame_since = now
        self.suspected = False
        self.is_down = False

    def heard(self, now: float) -> list[News]:
        """A byte came."""
        self._heard = now
        if self.suspected and not self.is_down:
            self.suspected = False
            return [Alive()]
        return []

    def wrote(self, now: float) -> None:
        """Something was written."""
        self._wrote = now

    def age_told(self, age: float, said: int = 0) -> list[News]:
        """A heartbeat tells when the loop over there ran last. `said` counts what that loop has said so far."""
        before = self.stall(said)
        self._stall, self._said = age if age >= STALLED_AFTER else 0.0, said
        return [Stalled(age)] if self._stall and not before else []

    def stall(self, said: int) -> float:
        """Seconds for which the loop over there had not run, as was told last; 0.0 if it has run since.

        A loop that has said more than it had then runs again: heartbeats go only where nothing else does.
        """
        return self._stall if said == self._said else 0.0

    def silence(self, now: float) -> float:
        """Seconds since the last byte."""
        return now - self._heard

    def tick(self, now: float, unfinished: int = 0) -> list[News]:
        """Time passes; at least once a second. `unfinished` is that of the connection's FrameReader."""
        late = now - self._ticked - LATE
        if late > 0:
            self._heard += min(late, now - self._heard)  # nobody listened: that was no silence
            self._frame_since += min(late, now - self._frame_since)
        self._ticked = now
        if self.is_down:
            return []
        news: list[News] = []
        silence = self.silence(now)
        if silence >= self._down_after:
            self.is_down = True
            return [Down(silence)]
        if silence >= self._suspect_after and not self.suspected:
            self.suspected = True
            news.append(Suspect(silence))
        if now - self._wrote >= self._interval:
            self._wrote = now
            news.append(SendHeartbeat())
        return news + self._frame_told(now, unfinished)

    def _frame_told(self, now: float, unfinished: int) -> list[News]:
        if not unfinished or unfinished != self._frame:
            self._frame, self._frame_since = unfinished, now
            return []
        age = now - self._frame_since
        if age < FRAME_DEADLINE:
            return []
        self._frame_since = now  # once, and again if nobody acts
        return [Stuck(age)]
