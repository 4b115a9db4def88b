"""What runs on the nodes of the campaign: numbered items go from the controller to each other node, and are counted.

On the controller `main` says what happens, as lines of JSON on standard output, and does what lines on standard input
say. An item is its number, beginning with 0 in each session; so what is lost, doubled or out of order is found exactly.
"""

import asyncio
import contextlib
import errno
import json
import mmap
import os
import resource
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any

import actorpar as ap
from actorpar.nodes.remote.ops import Member

#: Items that are sent together, and the pause between two such batches, which sets the rate.
BATCH, PAUSE = 250, 0.03
#: How a count of items stands in a file.
COUNT = struct.Struct("<Q")
#: Items after which a receiver says how far it is.
SAY = 250


@dataclass
class Seen:
    """What a receiver has seen of one session."""

    next: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0


# -- on the nodes

_slow_until = 0.0


async def receive(numbers: ap.Receiver[int], said: ap.Sender[Seen], file: str) -> Seen:
    """Count what comes; how many items that were stands in a file, whenever this process ends."""
    seen = Seen()
    known: set[int] = set()
    with open(file, "w+b") as written:  # noqa: ASYNC230
        written.truncate(COUNT.size)
        count = mmap.mmap(written.fileno(), COUNT.size)
    async for number in numbers:
        COUNT.pack_into(count, 0, seen.next + 1)
        if number == seen.next:
            seen.next += 1
        elif number > seen.next:
            known.update(range(seen.next, number))
            seen.lost += number - seen.next
            seen.next = number + 1
        elif number in known:
            known.remove(number)
            seen.lost -= 1
            seen.disordered += 1
        else:
            seen.doubled += 1
        if seen.next % SAY == 0:
            await said.send(seen)
        if (left := _slow_until - time.monotonic()) > 0:
            await asyncio.sleep(left)
    return seen


async def compute(seconds: float) -> float:
    """A handler that computes: the loop does not run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


async def slow(seconds: float) -> float:
    """The receiver of this node takes nothing for a while."""
    global _slow_until
    _slow_until = time.monotonic() + seconds
    return seconds


async def exhaust_descriptors(seconds: float) -> int:
    """Open files until there is no descriptor left, and keep them; how often the kernel refused one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, hard))
    opened, refused = [], 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                refused += 1
                await asyncio.sleep(0.05)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return refused


async def fill_disk(folder: str) -> int:
    """Write to a small file system until it is full, through the log too; how often it was."""
    full = 0
    for _ in range(8):
        try:
            with open(f"{folder}/ballast", "ab", buffering=0) as file:  # noqa: ASYNC230
                file.write(bytes(1 << 20))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            full += 1
        await asyncio.sleep(0.02)
    os.remove(f"{folder}/ballast")
    return full


async def clock_jump(file: str) -> float:
    """Have the wall clock jump by a day, there and back; by how many seconds it was wrong in all."""
    wrong = 0.0
    for jump in ("+86400s", "-86400s", "+0s"):
        wall, monotonic = time.time(), time.monotonic()
        with open(file, "w") as told:  # noqa: ASYNC230
            told.write(jump)
        await asyncio.sleep(0.4)
        wrong += abs((time.time() - wall) - (time.monotonic() - monotonic))
    return wrong


# -- on the controller


@dataclass
class Lane:
    """What the controller sends to one node, in one session after the other."""

    sent: int = 0  # in all
    acknowledged: int = 0
    sessions: int = 0
    unknown: int = 0  # items of which the sender was told that their outcome is unknown
    undelivered: int = 0  # items of which it was told that they have not left it
    untold: int = 0  # items that nobody received, and nothing was told of
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    blocked: float = 0.0


def say(**what: Any) -> None:
    print(json.dumps({"at": time.monotonic(), **what}), flush=True)


class Controller:
    def __init__(self, system: ap.ActorSystem, names: list[str]) -> None:
        self.system = system
        self.lanes = {name: Lane() for name in names}
        self.ending = asyncio.Event()

    def node(self, name: str) -> Member | None:
        return next((member for member in self.system.nodes if member.name == name), None)

    async def serve(self, name: str) -> None:
        """One session after the other, for as long as the campaign lasts."""
        lane = self.lanes[name]
        while not self.ending.is_set():
            member = self.node(name)
            if member is None:
                await asyncio.sleep(0.01)
                continue
            try:
                await self.session(lane, member)
            except (ap.NodeDown, ap.ChannelError, ap.NodeError) as error:
                say(over=name, why=type(error).__name__, text=str(error)[:200])
                await asyncio.sleep(0.05)

    async def session(self, lane: Lane, member: Member) -> None:
        undelivered: list[int] = []
        numbers, receiver = ap.open_channel[int](1024, on_undelivered=undelivered.append)
        file = f"{os.environ['CHAOS_FOLDER']}/{member.name}-{lane.sessions}"
        said, says = ap.open_channel[Seen](64)
        with numbers, says:
            receiving = await self.system.spawn(receive, receiver, said, file, on=member)
            lane.sessions += 1
            last = [Seen()]
            listening = asyncio.create_task(self.listen(lane, says, last))
            ended = asyncio.create_task(result_of(receiving))
            try:
                count = await self.send(lane, numbers)
                numbers.close()
                seen = await ended
                if seen is not None:
                    self.note(lane, seen, last[0])
                    lane.lost += max(0, count - seen.next)
            except ap.LinkLost as lost:
                self.account(lane, lost, undelivered, file)
                raise
            finally:
                for task in (listening, ended):
                    task.cancel()
                await asyncio.gather(listening, ended, return_exceptions=True)

    async def send(self, lane: Lane, numbers: ap.Sender[int]) -> int:
        number = 0
        while not self.ending.is_set():
            began = time.monotonic()
            batch = list(range(number, number + BATCH))
            try:
                await numbers.send_many(batch)
            except ap.LinkLost as lost:
                lane.sent += BATCH - len(lost.items)
                raise
            lane.sent += BATCH
            lane.blocked += time.monotonic() - began
            number += BATCH
            await asyncio.sleep(PAUSE)
        return number

    def account(self, lane: Lane, lost: ap.LinkLost, undelivered: list[int], file: str) -> None:
        """The session has ended: every item up to what was not sent was received, or something was told of it."""
        with open(file, "rb") as written:
            (received,) = COUNT.unpack(written.read())
        lane.unknown += len(lost.unknown)
        lane.undelivered += len(undelivered)
        lane.untold += len(set(range(received, lost.item)) - {*lost.unknown, *undelivered})

    async def listen(self, lane: Lane, says: ap.Receiver[Seen], last: list[Seen]) -> None:
        async for seen in says:
            self.note(lane, seen, last[0])
            last[0] = seen

    def note(self, lane: Lane, seen: Seen, before: Seen) -> None:
        lane.acknowledged += seen.next - before.next
        lane.lost += seen.lost - before.lost
        lane.doubled += seen.doubled - before.doubled
        lane.disordered += seen.disordered - before.disordered

    async def do(self, order: dict[str, Any]) -> None:
        """What a line of standard input says."""
        if order["do"] == "end":
            self.ending.set()
            return
        function: Any = {
            "compute": compute, "slow": slow, "exhaust": exhaust_descriptors, "fill": fill_disk, "jump": clock_jump,
        }[order["do"]]  # fmt: skip
        member = self.node(order["node"])
        try:
            if member is None:
                raise ap.NodeDown("it is not here", node=order["node"])
            running: Any = await self.system.spawn(function, order["with"], on=member)
            say(done=order["id"], result=await running)
        except Exception as error:
            say(done=order["id"], failed=str(error))


async def result_of(process: Any) -> Seen | None:
    with contextlib.suppress(Exception):
        result: Seen = await process
        return result
    return None


def name_of(event: Any) -> str:
    """The node that the event is about; of one about this node, none."""
    return getattr(getattr(event, "node", None), "name", "")


async def report(controller: Controller) -> None:
    while True:
        hub = controller.system.hub
        with open("/proc/self/statm") as statm:  # noqa: ASYNC230
            memory = int(statm.read().split()[1]) * resource.getpagesize()
        say(
            lanes={name: vars(lane) for name, lane in controller.lanes.items()},
            connections={link.name: link.connections for link in hub.node.links.values()},
            rss=memory, descriptors=len(os.listdir("/proc/self/fd")),
        )  # fmt: skip
        await asyncio.sleep(0.25)


async def main() -> None:
    names = os.environ["CHAOS_NODES"].split()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with ap.ActorSystem(shutdown=2.0) as system:
        system.hub.node.watch(
            lambda event: say(event=type(event).__name__, node=name_of(event), why=getattr(event, "reason", ""))
        )
        controller = Controller(system, names)
        serving = [asyncio.create_task(controller.serve(name)) for name in names]
        reporting = asyncio.create_task(report(controller))
        doing: set[asyncio.Task[None]] = set()
        while not controller.ending.is_set() and (line := await reader.readline()):
            doing.add(task := asyncio.create_task(controller.do(json.loads(line))))
            task.add_done_callback(doing.discard)
            await asyncio.sleep(0)
        await asyncio.wait(serving, timeout=15)
        await asyncio.sleep(0.3)
        reporting.cancel()
        say(over="all")
