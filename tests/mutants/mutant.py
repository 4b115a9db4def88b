"""What a planted bug is, and the files that bugs are planted in."""

from __future__ import annotations

from typing import NamedTuple

BACKOFF = "actorpar/actors/backoff.py"
CHILD = "actorpar/actors/child.py"
CHILD_PROCESS = "actorpar/actors/childprocess.py"
FAMILY = "actorpar/actors/family.py"
HANDLERS = "actorpar/actors/handlers.py"
LENDING = "actorpar/actors/lending.py"
RESTARTS = "actorpar/actors/restarts.py"
STRATEGIES = "actorpar/actors/strategies.py"
SUPERVISED = "actorpar/actors/supervised.py"
SUPERVISOR = "actorpar/actors/supervisor.py"

BASE = "channels/flavors/base.py"
BOUNDED = "channels/flavors/bounded.py"
BROADCAST = "channels/flavors/broadcast.py"
END = "channels/end.py"
LOSSY = "channels/flavors/lossy.py"
OPENING = "channels/opening.py"
PERMIT = "channels/permit.py"
PROCESS = "channels/process.py"
RECEIVER = "channels/receiver.py"
RENDEZVOUS = "channels/flavors/rendezvous.py"
SELECT = "channels/select.py"
SENDER = "channels/sender.py"
THREADS = "channels/threads.py"
TIMER = "channels/flavors/timer.py"
WAITERS = "channels/waiters.py"
WAITGRAPH = "channels/waitgraph.py"


class Mutant(NamedTuple):
    """One small bug, and the rule whose tests must find it.

    `old` stands in `file` exactly once and is replaced by `new`; the runner refuses a table that does not fit the tree.
    """

    rule: str
    file: str
    bug: str
    old: str
    new: str
