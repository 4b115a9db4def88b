"""What a planted bug is, and the files that bugs are planted in."""

from __future__ import annotations

from typing import NamedTuple

ACTOR_CONTEXT = "actorpar/actors/context.py"
ASKING = "actorpar/actors/asking.py"
BONDS = "actorpar/actors/bonds.py"
CELL = "actorpar/actors/cell.py"
DEADLETTERS = "actorpar/actors/deadletters.py"
DEADLINES = "actorpar/actors/deadlines.py"
DISPATCHER = "actorpar/actors/dispatcher.py"
ENTRY = "actorpar/actors/entry.py"
FEED = "actorpar/actors/feed.py"
GROUPS = "actorpar/actors/groups.py"
HANDLERS = "actorpar/actors/handlers.py"
KIND = "actorpar/actors/kind.py"
LIFE = "actorpar/actors/life.py"
MAILBOX = "actorpar/actors/mailbox.py"
REGISTRY = "actorpar/actors/registry.py"
REPLY = "actorpar/actors/reply.py"
REQUEST = "actorpar/actors/request.py"
SPAWNING = "actorpar/actors/spawning.py"
STASHING = "actorpar/actors/stash.py"
SYSTEM = "actorpar/system.py"
TIMERS = "actorpar/actors/timers.py"

BACKOFF = "actorpar/actors/backoff.py"
CHILD = "actorpar/actors/child.py"
CHILD_PROCESS = "actorpar/actors/childprocess.py"
FAMILY = "actorpar/actors/family.py"
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

CARRYING = "channels/carrying.py"
OWNERSHIP = "channels/ownership.py"
DOOR = "nodes/door.py"
FRAME = "nodes/protocol/frame.py"
HANDSHAKE = "nodes/protocol/handshake.py"
INBOUND = "nodes/protocol/inbound.py"
LIVENESS = "nodes/protocol/liveness.py"
OUTBOUND = "nodes/protocol/outbound.py"
LINK = "nodes/link.py"
NODE = "nodes/node.py"
DIALER = "nodes/dialer.py"
SCHEMA = "nodes/codec/schema.py"
LENT = "nodes/lending.py"
SEGMENT = "nodes/segment.py"
SLABS = "nodes/slabs.py"
HOME = "nodes/remote/home.py"
INLET = "nodes/remote/inlet.py"
MATCH = "nodes/remote/match.py"
MEETING = "nodes/remote/meeting.py"
MEETING_HOME = "nodes/remote/meeting_home.py"
MEETING_STUBS = "nodes/remote/meeting_stubs.py"
MOVING = "nodes/remote/moving.py"
AWAY = "nodes/remote/away.py"
CONFIRMING = "nodes/remote/confirming.py"
FLIGHTS = "nodes/remote/flights.py"
STREAM = "nodes/stream.py"
OUTLET = "nodes/remote/outlet.py"
RECEIVER_STUB = "nodes/remote/receiver_stub.py"
SEEKING = "nodes/remote/seeking.py"
SENDER_STUB = "nodes/remote/sender_stub.py"
TABLE = "nodes/remote/table.py"
REMOTE_SERVING = "actorpar/remote/serving.py"


class Mutant(NamedTuple):
    """One small bug, and the rule whose tests must find it.

    `old` stands in `file` exactly once and is replaced by `new`; the runner refuses a table that does not fit the tree.
    """

    rule: str
    file: str
    bug: str
    old: str
    new: str
