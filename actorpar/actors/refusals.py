"""What a supervisor refuses: `Reject`s, which answer who asked and never fail the supervisor (AC-44, AC-49)."""

from __future__ import annotations

from .errors import Reject, StartFailed


class InvalidChild(Reject, ValueError):
    """A child spec, a back-off or a strategy that cannot work; the message says what to write instead."""


class DuplicateChild(InvalidChild):
    """The supervisor has a child of this id (AC-44): give the other one another `id`, or delete this one first."""


class UnknownChild(Reject, LookupError):
    """The supervisor has no child of this id; a temporary child is forgotten when it ends."""


class ChildRunning(Reject):
    """The child runs, or is being restarted: terminate it before it is started again or deleted (AC-44)."""


class ChildStartFailed(StartFailed, Reject):
    """A supervisor could not start a child; `__cause__` is what the child raised."""
