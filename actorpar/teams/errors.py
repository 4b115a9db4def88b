"""What can go wrong in a team."""

from __future__ import annotations

from ..channels.errors import ActorparError


class TeamError(ActorparError):
    """Base class of the errors of teams."""


class TeamBroken(TeamError):
    """The team has ended for all its members: one of them failed, left, or did not come in time; the text says which.

    What was under way has no result anywhere. Open another team.
    """


class TeamMismatch(TeamBroken):
    """Members have called different collectives, or one with arguments that do not fit; the text says who and what."""


class InvalidCall(TeamError, ValueError):
    """A collective was called with what it cannot take. Nothing was sent, and the team stays whole."""


class InvalidTopology(TeamError, ValueError):
    """No such topology can be laid over these members."""
