"""The errors of process pools."""

from __future__ import annotations

from ..channels.errors import ActorparError


class ProcessPoolClosed(ActorparError):
    """The pool is not open, or ended before this was done; `__cause__` is why, if it broke."""


class WorkerLost(ActorparError):
    """A worker ended with this job in hand, and `retries` allows no further attempt; what it did is not known."""
