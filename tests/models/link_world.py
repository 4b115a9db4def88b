"""Two nodes, one session, and connections that break anywhere: a small world of the classes that ship.

What a link does around them is done here as nodes/link.py does it: who dials says HELLO with the frame it waits for,
who accepts leaves the old connection, resumes and says WELCOME, and who dials resumes then. A connection may break with
all that is in flight; or who dials gives it up alone, and what was written before still arrives, in any order beside
what comes on the next connection. A side may also wait for more than it lacks, from its last acknowledgement on, as
NET-33 allows; then frames come twice. Constants are small, so that a large message is one of six bytes.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from unittest import mock

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol import outbound as outbounds
from actorpar.nodes.protocol.frame import FrameReader, Message
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import Outbound

#: What one side says: the lane (0: control), the body, and the buffers.
Said = tuple[int, bytes, tuple[bytes, ...]]
Action = tuple[str, int, int]

DIALER, ACCEPTOR = 0, 1
PLAIN: Final = 24
FRAGMENT: Final = 4
UNACKED_LIMIT: Final = 60
MESSAGE_LIMIT: Final = 8


@contextmanager
def small_frames() -> Iterator[None]:
    """Frames of a few bytes while this lasts."""
    quantum = frames.HEADER.size + PLAIN
    with mock.patch.multiple(frames, READ=32, PLAIN=PLAIN, LARGEST_FRAGMENT=FRAGMENT):
        with mock.patch.multiple(outbounds, PLAIN=PLAIN, FRAGMENT_SHARED=3, FRAGMENT_ALONE=FRAGMENT, QUANTUM=quantum):
            yield


class Side:
    """One node's half of the session."""

    def __init__(self, script: Sequence[Said]) -> None:
        self.script = script
        self.said = 0
        self.heard: list[Said] = []
        self.outbound = Outbound(resumable=True, unacked_limit=UNACKED_LIMIT, message_limit=MESSAGE_LIMIT)
        self.inbound = Inbound(message_limit=MESSAGE_LIMIT)
        self.attached: Connection | None = None
        self.told = 1  # the number that was acknowledged last

    def say(self) -> None:
        lane, body, buffers = self.script[self.said]
        self.said += 1
        if lane:
            self.outbound.message(frames.ITEMS, lane, body, buffers)
        else:
            self.outbound.control(body)

    @property
    def may_write(self) -> bool:
        out = self.outbound
        return bool(out._connection or out._control or out._again or (out._lanes and out.unacked < UNACKED_LIMIT))


class Connection:
    """A connection; of everything there are two, by side. A pipe is named by the side that reads it."""

    def __init__(self) -> None:
        self.alive = True
        self.open = [True, True]
        self.pipes: list[collections.deque[bytes]] = [collections.deque(), collections.deque()]
        self.readers = [FrameReader(), FrameReader()]

    def write(self, side: int, out: list[Any], pieces: int) -> None:
        """The frames of one write, in so many pieces each, for the other side to read one by one."""
        data = b"".join(map(bytes, out))
        while self.alive and self.open[1 - side] and data:
            end = frames.HEADER.size + int.from_bytes(data[:4], "little")
            stops = sorted({10, frames.HEADER.size, (frames.HEADER.size + end + 1) // 2, end})[-pieces:]
            for start, stop in zip([0, *stops], stops, strict=False):
                self.pipes[1 - side].append(data[start:stop])
            data = data[end:]

    def is_over(self, side: int) -> bool:
        """True if this side learns now that the connection is no more."""
        return not self.alive or (not self.open[1 - side] and not self.pipes[side])


class LinkWorld:
    """Everything there is, and what may happen next."""

    def __init__(
        self, scripts: tuple[Sequence[Said], Sequence[Said]], *, breaks: int, pieces: int, from_acks: bool = False
    ) -> None:
        self.sides = (Side(scripts[0]), Side(scripts[1]))
        self.connections: list[Connection] = []
        self.breaks = breaks
        self.pieces = pieces
        self.from_acks = from_acks

    def actions(self) -> list[Action]:
        """Faults come last, so that a search tries first how it ends without them."""
        found: list[Action] = []
        for number, side in enumerate(self.sides):
            if side.said < len(side.script):
                found.append(("say", number, 0))
            if side.attached is not None and side.may_write:
                found.append(("write", number, 0))
            if side.attached is not None and side.inbound.next_seq > side.told:
                found.append(("ack", number, 0))
            for at, connection in enumerate(self.connections):
                if connection.open[number] and connection.pipes[number]:
                    found.append(("read", number, at))
                if connection.open[number] and connection.is_over(number):
                    found.append(("notice", number, at))
        if not any(connection.open[DIALER] for connection in self.connections):
            found.append(("dial", DIALER, 0))
        if self.breaks:
            for at, connection in enumerate(self.connections):
                if connection.alive and connection.open[DIALER]:
                    found += [("break", DIALER, at), ("give up", DIALER, at)]
        return found

    def perform(self, action: Action) -> None:
        what, number, at = action
        side = self.sides[number]
        match what:
            case "say":
                side.say()
            case "write":
                assert side.attached is not None
                side.attached.write(number, side.outbound.take(1), self.pieces)
            case "ack":
                side.told = side.inbound.next_seq
                side.outbound.connection(frames.ACK, side.told.to_bytes(8, "little"))
            case "read":
                self._read(number, self.connections[at])
            case "notice":
                self._close(number, self.connections[at])
            case "dial":
                self._dial()
            case "break":
                self.breaks -= 1
                self.connections[at].alive = False
                for pipe in self.connections[at].pipes:
                    pipe.clear()
            case "give up":
                self.breaks -= 1
                self._close(number, self.connections[at])
        self.connections = [connection for connection in self.connections if any(connection.open)]

    def _dial(self) -> None:
        connection = Connection()
        self.connections.append(connection)
        connection.write(DIALER, [self._greeting(frames.HELLO, DIALER)], self.pieces)

    def _greeting(self, kind: int, number: int) -> bytes:
        side = self.sides[number]
        if not self.from_acks:
            side.told = side.inbound.next_seq
        return frames.frame(kind, side.told.to_bytes(8, "little"))

    def _close(self, number: int, connection: Connection) -> None:
        connection.open[number] = False
        connection.pipes[number].clear()
        if self.sides[number].attached is connection:
            self.sides[number].attached = None

    def _read(self, number: int, connection: Connection) -> None:
        data, reader = connection.pipes[number].popleft(), connection.readers[number]
        while data and connection.open[number]:
            view = reader.buffer()
            count = min(len(view), len(data))
            view[:count] = data[:count]
            data = data[count:]
            for message in reader.advance(count):
                self._hear(number, connection, message)

    def _hear(self, number: int, connection: Connection, message: Message) -> None:
        side = self.sides[number]
        if message.kind in (frames.HELLO, frames.WELCOME):
            self._greeted(number, connection, int.from_bytes(message.body, "little"))
        elif message.kind == frames.ACK:
            side.outbound.acked(int.from_bytes(message.body, "little"))
        else:
            buffers = tuple(bytes(buffer) for buffer in message.buffers)
            side.heard.append((message.lane, bytes(message.body), buffers))

    def _greeted(self, number: int, connection: Connection, next_seq: int) -> None:
        side = self.sides[number]
        if number == ACCEPTOR and not side.outbound.can_resume(next_seq):
            self._close(number, connection)  # said long ago, on a connection that was given up
            return
        if side.attached is not None:
            self._close(number, side.attached)
        side.outbound.resume(next_seq)
        if number == ACCEPTOR:
            connection.write(ACCEPTOR, [self._greeting(frames.WELCOME, ACCEPTOR)], self.pieces)
        side.attached = connection
        reader = connection.readers[number]
        reader.begin(side.inbound)
        for message in reader.advance(0):
            self._hear(number, connection, message)

    # -- what must hold

    def broken_rule(self, *, at_rest: bool) -> str | None:
        """The rule that does not hold, if there is one."""
        for side, other in (self.sides, self.sides[::-1]):
            for lane in {lane for lane, *_ in (*side.heard, *other.script)}:
                heard = [each for each in side.heard if each[0] == lane]
                said = [each for each in other.script[: other.said] if each[0] == lane]
                if heard != said[: len(heard)]:
                    return f"lane {lane} was told {heard}, and {said} was said"
                if at_rest and heard != said:
                    return f"nothing moves any more, and lane {lane} lacks {said[len(heard) :]}"
            out = side.outbound
            if out.unacked > UNACKED_LIMIT + 5 * (frames.HEADER.size + PLAIN):
                return f"{out.unacked} bytes are unacknowledged"
            if side.inbound._held > MESSAGE_LIMIT:
                return f"{side.inbound._held} bytes of large messages are under way"
            if at_rest and (out.pending or out.unacked or out.queued or out._aside or side.inbound._held):
                return "nothing moves any more, and something is left to be sent"
        return None

    def fingerprint(self) -> tuple[Any, ...]:
        """Everything that decides how the world goes on."""
        return (
            self.breaks,
            *(self._of_side(side) for side in self.sides),
            *(_of_connection(connection) for connection in self.connections),
        )

    def _of_side(self, side: Side) -> tuple[Any, ...]:
        out = side.outbound
        at = -1 if side.attached is None else self.connections.index(side.attached)
        return (
            *(at, side.said, side.told, len(side.heard), out.next_seq, out.unacked, out.queued),
            *(tuple(out._connection), tuple(out._control), len(out._again), len(out._retained)),
            *(_of_lanes(out._lanes), _of_lanes(out._aside)),
            side.inbound.next_seq,
            tuple((lane, each.part, each.filled) for lane, each in side.inbound._assemblies.items()),
        )


def _of_lanes(lanes: Any) -> tuple[Any, ...]:
    return tuple(
        (number, lane.deficit, lane.admitted, len(lane.waiting), *_of_first(lane.waiting[0]))
        for number, lane in lanes.items()
    )


def _of_first(first: Any) -> tuple[Any, ...]:
    return () if type(first) is tuple else (first.begun, first.part, first.offset)


def _of_connection(connection: Connection) -> tuple[Any, ...]:
    return (
        connection.alive,
        *connection.open,
        *map(tuple, connection.pipes),
        *(
            (
                bytes(reader._memory[reader._start : reader._end]),
                -1 if reader._target is None else len(reader._target),
                reader._skip,
                reader._bulk,
                reader._inbound is None,
            )
            for reader in connection.readers
        ),
    )


class Explored(NamedTuple):
    """What a finished search has seen: states, ends, states with something to send again, and after a duplicate."""

    states: int
    rests: int
    resumed: int
    duplicates: int


class Violation(AssertionError):
    """A rule does not hold, after these actions."""

    def __init__(self, rule: str, trace: list[Action]) -> None:
        super().__init__(f"{rule}\n  after: " + ", ".join(f"{what} {who} {at}" for what, who, at in trace))


def explore(build: Callable[[], LinkWorld], *, most_states: int = 60_000) -> Explored:
    """Enter every state of a world. Violation for the first rule that is broken; a search is never cut short."""
    seen: set[Any] = set()
    open_traces: list[list[Action]] = [[]]
    rests = resumed = duplicates = 0
    with small_frames():
        while open_traces:
            trace = open_traces.pop()
            world = build()
            try:
                for action in trace:
                    world.perform(action)
                while (state := world.fingerprint()) not in seen:
                    seen.add(state)
                    if len(seen) > most_states:
                        raise RuntimeError(f"more than {most_states} states")
                    actions = world.actions()
                    at_rest = all(what in ("break", "give up") for what, *_ in actions)
                    rests += at_rest
                    resumed += any(side.outbound._again for side in world.sides)
                    duplicates += any(side.inbound.duplicates for side in world.sides)
                    if (rule := world.broken_rule(at_rest=at_rest)) is not None:
                        raise Violation(rule, trace)
                    if not actions:
                        break
                    open_traces += [[*trace, action] for action in actions[1:]]
                    trace = [*trace, actions[0]]
                    world.perform(actions[0])
            except ProtocolError as error:
                raise Violation(f"a side that keeps to the protocol is told: {error}", trace) from error
    return Explored(len(seen), rests, resumed, duplicates)
