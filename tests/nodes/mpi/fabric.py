"""Messages between ranks without MPI: what the pollers of one process send each other arrives when the test says so."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actorpar.nodes.mpi.bell import Bells
from actorpar.nodes.mpi.farbell import FarBells
from actorpar.nodes.mpi.poller import Poller
from actorpar.nodes.mpi.stream import RankStream
from actorpar.nodes.mpi.wire import Pending
from actorpar.testing import VirtualClock

#: Seconds that a test for a message takes.
TEST: Final = 1e-6


class Under:
    """A message under way, done once `is_done` says so."""

    def __init__(self, is_done: Callable[[], bool]) -> None:
        self._is_done = is_done

    def Test(self) -> bool:
        return self._is_done()


class Bulk:
    """A large message: what was sent, where it is received, and whether it may arrive."""

    def __init__(self) -> None:
        self.data: Any = None
        self.into: memoryview | None = None
        self.has_come = False

    def move(self, may_arrive: bool) -> bool:
        if not self.has_come and may_arrive and self.data is not None and self.into is not None:
            assert len(self.into) == len(self.data)
            self.into[:] = self.data
            self.has_come = True
        return self.has_come


class Fabric:
    """What is between the ranks. Bulks arrive while `bulks_arrive`, packets leave at once while `leaves_at_once`."""

    def __init__(self, size: int) -> None:
        clock = asyncio.get_running_loop()
        assert isinstance(clock, VirtualClock)
        self.clock = clock
        self.size = size
        self.inboxes: list[collections.deque[tuple[int, bytes]]] = [collections.deque() for _ in range(size)]
        self.bulks_arrive = True
        self.leaves_at_once = True
        self.at_the_end: set[int] = set()
        self._out: dict[tuple[int, int], collections.deque[bytes]] = collections.defaultdict(collections.deque)
        self._queued: collections.Counter[tuple[int, int]] = collections.Counter()
        self._sent: dict[tuple[int, int], collections.deque[Bulk]] = collections.defaultdict(collections.deque)
        self._received: dict[tuple[int, int], collections.deque[Bulk]] = collections.defaultdict(collections.deque)

    def queue(self, sender: int, receiver: int, packet: bytes) -> int:
        """A packet is about to leave; its number."""
        self._out[sender, receiver].append(packet)
        self._queued[sender, receiver] += 1
        return self._queued[sender, receiver]

    def leave(self, sender: int, receiver: int, number: int) -> bool:
        """True once that packet has left, and those before it, which none overtakes."""
        waiting = self._out[sender, receiver]
        while waiting and self.leaves_at_once:
            self.inboxes[receiver].append((sender, waiting.popleft()))
        return self._queued[sender, receiver] - len(waiting) >= number

    def bulk(self, sender: int, receiver: int, *, sends: bool) -> Bulk:
        """The next bulk of this pair, as who sends it or who receives it sees it: both meet in order."""
        mine, other = (self._sent, self._received) if sends else (self._received, self._sent)
        pair = sender, receiver
        if other[pair]:
            return other[pair].popleft()
        made = Bulk()
        mine[pair].append(made)
        return made

    def unmatched(self) -> int:
        """Bulks that were sent or are waited for, and not both."""
        return sum(map(len, (*self._sent.values(), *self._received.values())))


class FakeWire:
    """The messages of one rank."""

    def __init__(self, fabric: Fabric, rank: int) -> None:
        self.rank = rank
        self.size = fabric.size
        self.fabric = fabric
        self.error: Exception | None = None
        self.is_closed = False

    def send(self, rank: int, packet: bytes) -> Pending | None:
        number = self.fabric.queue(self.rank, rank, packet)
        leaves = self.fabric.leave
        return None if leaves(self.rank, rank, number) else Under(lambda: leaves(self.rank, rank, number))

    def send_bulk(self, rank: int, data: Any) -> Pending | None:
        bulk = self.fabric.bulk(self.rank, rank, sends=True)
        bulk.data = data
        return None if bulk.move(self.fabric.bulks_arrive) else Under(lambda: bulk.move(self.fabric.bulks_arrive))

    def receive_bulk(self, rank: int, into: memoryview) -> Pending:
        bulk = self.fabric.bulk(rank, self.rank, sends=False)
        bulk.into = into
        return Under(lambda: bulk.move(self.fabric.bulks_arrive))

    def take(self) -> tuple[int, memoryview] | None:
        self.fabric.clock.advance(TEST)
        if self.error is not None:
            raise self.error
        inbox = self.fabric.inboxes[self.rank]
        return (inbox[0][0], memoryview(inbox[0][1])) if inbox else None

    def taken(self) -> None:
        self.fabric.inboxes[self.rank].popleft()

    def barrier(self) -> Pending:
        self.fabric.at_the_end.add(self.rank)
        return Under(lambda: len(self.fabric.at_the_end) == self.size)

    def close(self) -> None:
        self.is_closed = True


class Collector:
    """A sink: keeps what came, and how it ended."""

    def __init__(self, room: int = 64 * 1024) -> None:
        self.came = bytearray()
        self.memory = memoryview(bytearray(room))
        self.writables = 0
        self.ends: list[BaseException | None] = []
        self.on_advance: Callable[[], object] = lambda: None

    @property
    def buffer(self) -> Callable[[], memoryview]:
        return lambda: self.memory

    def advance(self, count: int) -> None:
        self.came += self.memory[:count]
        self.on_advance()

    def writable(self) -> None:
        self.writables += 1

    def closed(self, error: BaseException | None) -> None:
        self.ends.append(error)


class Ranks:
    """The pollers of all ranks, on one loop, each with a stream to each other one that is opened into a Collector."""

    def __init__(self, folder: Path, size: int = 2, *, spin: float = 0.0, apart: bool = False) -> None:
        self.fabric = Fabric(size)
        bells = [Bells(folder, rank, size) for rank in range(size)]
        far = [FarBells("127.0.0.1") for _ in range(size)]
        for rank in range(size):
            others = [other for other in range(size) if other != rank]
            if apart:
                far[rank].meet("5ec2e7" * 8, [each.place for each in far], others)
            else:
                bells[rank].meet(others)
        self.wires = [FakeWire(self.fabric, rank) for rank in range(size)]
        wires: Any = self.wires
        self.pollers = [Poller(wires[rank], bells[rank], far[rank], spin=spin) for rank in range(size)]
        self.sinks: dict[tuple[int, int], Collector] = {}

    def stream(self, rank: int, other: int) -> RankStream:
        return self.pollers[rank].streams[other]

    def open(self, rank: int, other: int, room: int = 64 * 1024) -> Collector:
        """Begin to read at a rank what another one sends."""
        sink = self.sinks[rank, other] = Collector(room)
        self.stream(rank, other).start(sink)
        return sink

    async def close(self) -> list[bool]:
        """End together; closing looks at every turn of the loop, so time has to pass meanwhile."""

        async def pass_time() -> None:
            while True:
                self.fabric.clock.advance(TEST)
                await asyncio.sleep(0)

        passing = asyncio.ensure_future(pass_time())
        try:
            return await asyncio.gather(*(poller.close(0.05) for poller in self.pollers))
        finally:
            passing.cancel()

    def end(self) -> None:
        """End what has not ended."""
        for poller in self.pollers:
            if not poller.is_closed:
                poller._stop()
            poller._close_bells()

    def is_quiet(self) -> bool:
        """True if all ranks sleep, and nothing comes that would wake one."""
        return not any(self.fabric.inboxes) and not any(poller._is_awake for poller in self.pollers)
