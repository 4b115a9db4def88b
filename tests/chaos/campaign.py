"""One campaign: a controller, other nodes in namespaces of their own, and faults, each many times."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from actorpar.nodes.security import authority

from .faults import DOWN_AFTER, KINDS, LANES, PATIENCE
from .network import Network, run
from .relay import Lane

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "tests/chaos/program.py"
#: From Debian's package libfaketime; without it the wall clock cannot be made to jump.
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class Broken(Exception):
    """A promise that did not hold."""


class Node:
    """One node that is not the controller, and the process that is it now."""

    process: asyncio.subprocess.Process

    def __init__(self, campaign: Campaign, number: int, folder: Path) -> None:
        self.number = number
        self.name = f"n{number}"
        self.folder = str(folder)
        self.clock = f"{folder}/clock"  # by what libfaketime has its wall clock wrong
        self._campaign = campaign

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def wire(self) -> Lane:
        return self._campaign.network.lanes[self.number]

    def kill(self) -> None:
        """End its process, if it has not ended."""
        _kill(self.process)

    def _clock(self) -> dict[str, str]:
        """What has its wall clock be wrong by what a file says; nothing where that cannot be done, or is not wanted.

        It makes each look at a clock slow, and under a lock that another thread may not get.
        """
        if "jump of the wall clock" not in LANES[self.number]:
            return {}
        Path(self.clock).write_text("+0s")
        told = {"FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return {"LD_PRELOAD": str(FAKETIME), **told} if FAKETIME.exists() else {}

    async def restart(self) -> None:
        """A new process; it joins when it can."""
        network = self._campaign.network
        words = [
            *("ip", "netns", "exec", network.names[self.number], sys.executable, "-m", "actorpar", "node", PROGRAM),
            *("--name", self.name, "--join", f"tcp://10.77.{self.number}.1:7000", "--down-after", str(DOWN_AFTER)),
            *("--key", str(self._campaign.keys / self.name)),
        ]
        environment = {**os.environ, "TMPDIR": self.folder, **self._clock()}
        with open(f"{self.folder}/log", "ab") as log:  # noqa: ASYNC230
            self.process = await asyncio.create_subprocess_exec(
                *words, cwd=ROOT, stdout=log, stderr=log, env=environment
            )


class Campaign:
    """`await run()` for the report. `each` faults of every kind, or as many as fit into `seconds`."""

    def __init__(self, folder: Path, *, each: int, seconds: float, seed: int) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.counts = folder / "counts"
        self.network = Network(len(LANES), seed)
        self.nodes: list[Node] = []
        self.events: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}
        self.faults: dict[str, list[int]] = defaultdict(list)
        self.broken: list[str] = []
        self.peak = 0
        self._each = each
        self._end = time.monotonic() + seconds
        self._detected: dict[str, list[float]] = defaultdict(list)
        self._recovered: dict[str, list[float]] = defaultdict(list)
        self._kind: dict[asyncio.Task[Any] | None, str] = {}
        self._changed = asyncio.Condition()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._orders = 0
        self._first: dict[str, Any] = {}

    # -- what the faults ask

    def lane(self, node: Node) -> dict[str, Any]:
        found: dict[str, Any] = self.state["lanes"][node.name]
        return found

    def count(self, event: str, node: Node, since: float) -> int:
        """How many such events there were."""
        return sum(
            each.get("event") == event and each["node"] == node.name and each["at"] >= since for each in self.events
        )

    async def event(self, event: str, node: Node, since: float) -> float:
        """Wait for such an event; when it was."""
        await self._until(lambda: self.count(event, node, since) > 0, f"{event} of {node.name}")
        return next(
            float(each["at"]) for each in self.events
            if each.get("event") == event and each["node"] == node.name and each["at"] >= since
        )  # fmt: skip

    async def progress(self, node: Node, since: float) -> float:
        """Wait until the node has counted items again; when it was."""
        if self.state["at"] < since:
            await self._until(lambda: self.state["at"] >= since, "a report")
        before = self.lane(node)["acknowledged"]
        await self._until(lambda: self.lane(node)["acknowledged"] > before, f"items of {node.name} arrive again")
        return float(self.state["at"])

    @contextlib.asynccontextmanager
    async def same_session(self, node: Node) -> AsyncIterator[None]:
        """What happens inside is no end of the session, and items arrive afterwards."""
        before = self.lane(node)["sessions"]
        yield
        healed = time.monotonic()
        self.recovered(await self.progress(node, healed) - healed)
        if self.lane(node)["sessions"] != before:
            raise Broken(f"{node.name}: the session has ended")

    async def order(self, what: str, node: Node, argument: Any) -> Any:
        """Have the controller run something on the node; what it returned."""
        self._orders += 1
        answer = self._answers[self._orders] = asyncio.get_running_loop().create_future()
        self._tell({"do": what, "node": node.name, "with": argument, "id": self._orders})
        return await asyncio.wait_for(answer, PATIENCE + 10)

    def detected(self, seconds: float) -> None:
        self._detected[self._kind[asyncio.current_task()]].append(seconds)

    def recovered(self, seconds: float) -> None:
        self._recovered[self._kind[asyncio.current_task()]].append(seconds)

    async def _until(self, true: Any, what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError:
            raise Broken(f"{what}: not within {PATIENCE:g} s") from None

    # -- the run

    async def run(self) -> dict[str, Any]:
        """Make the network, start the nodes, do the faults, and tell how it went."""
        names = [f"n{number}" for number in range(len(LANES))]
        self.counts.mkdir()
        authority.make(self.keys, ["controller", *names])
        began = time.monotonic()
        with self.network:
            async with contextlib.AsyncExitStack() as stack:
                await self._start(stack, names)
                await asyncio.gather(*(self._do_lane(number) for number in range(len(LANES))))
                self._tell({"do": "end"})
                await asyncio.wait_for(self._controller.wait(), PATIENCE)
                await self._reading
        return self._report(time.monotonic() - began)

    async def _start(self, stack: contextlib.AsyncExitStack, names: list[str]) -> None:
        listens = [f"--listen=tcp://10.77.{number}.1:7000" for number in range(len(LANES))]
        self._controller = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.network.hub, sys.executable, "-m", "actorpar", "run", PROGRAM, *listens),
            *("--down-after", str(DOWN_AFTER), "--key", str(self.keys / "controller")),
            cwd=ROOT, env={**os.environ, "CHAOS_NODES": " ".join(names), "CHAOS_FOLDER": str(self.counts)},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=stack.enter_context((self.folder / "controller.log").open("wb")), limit=1 << 20,
        )  # fmt: skip
        stack.callback(_kill, self._controller)
        self._reading = asyncio.create_task(self._read())
        for number, name in enumerate(names):
            folder = self.folder / name
            folder.mkdir()
            run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
            stack.callback(run, "umount", "-l", str(folder), check=False)
            node = Node(self, number, folder)
            self.nodes.append(node)
            await node.restart()
            stack.callback(node.kill)
        await self._until(lambda: bool(self.state), "the first report")
        for node in self.nodes:
            await self.progress(node, 0.0)
        await asyncio.sleep(1.0)
        self._first = dict(self.state)

    async def _read(self) -> None:
        assert self._controller.stdout is not None
        while line := await self._controller.stdout.readline():
            said = json.loads(line)
            if "lanes" in said:
                self.state = said
                self.peak = max(self.peak, said["rss"])
            elif "done" in said:
                self._answer(said)
            else:
                self.events.append(said)
            async with self._changed:
                self._changed.notify_all()

    def _answer(self, said: dict[str, Any]) -> None:
        answer = self._answers.pop(said["done"])
        if answer.done():
            return
        if "failed" in said:
            answer.set_exception(Broken(said["failed"]))
        else:
            answer.set_result(said["result"])

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._controller.stdin is not None
        self._controller.stdin.write(json.dumps(order).encode() + b"\n")

    async def _do_lane(self, number: int) -> None:
        node = self.nodes[number]
        for _ in range(self._each):
            for kind in LANES[number]:
                if time.monotonic() > self._end:
                    return
                self._kind[asyncio.current_task()] = kind
                try:
                    self.faults[kind].append(await KINDS[kind](self, node))
                except (Broken, TimeoutError) as error:
                    self.broken.append(f"{kind}: {error or type(error).__name__}")
                    await self._mend(node)

    async def _mend(self, node: Node) -> None:
        """After a broken promise: a new process on a sound wire, so that the rest can be tried."""
        node.wire.heal()
        _kill(node.process)
        await node.process.wait()
        await node.restart()
        with contextlib.suppress(Broken):
            await self.progress(node, time.monotonic())

    # -- the report

    def _report(self, seconds: float) -> dict[str, Any]:
        lanes = list(self.state["lanes"].values())
        totals = {key: sum(lane[key] for lane in lanes) for key in lanes[0]}
        for kind in KINDS:
            if not sum(self.faults[kind]):
                self.broken.append(f"{kind}: no such fault took effect")
        for what in ("lost", "doubled", "disordered"):
            if totals[what]:
                self.broken.append(f"{totals[what]} items were {what} within a session")
        if totals["untold"]:
            self.broken.append(f"{totals['untold']} items were lost with a session, and nobody was told")
        leaked = self.state["descriptors"] - self._first["descriptors"]
        if leaked > 8:
            self.broken.append(f"{leaked} descriptors more than at the start")
        return {
            "seconds": round(seconds, 1),
            "messages": {key: totals[key] for key in
                         ("sent", "acknowledged", "lost", "doubled", "disordered", "sessions", "unknown", "undelivered",
                          "untold")},
            "faults": {kind: self._fault(kind) for kind in KINDS},
            "controller": {"peak MiB": round(self.peak / 2**20, 1), "descriptors more": leaked},
            "broken": self.broken,
        }  # fmt: skip

    def _fault(self, kind: str) -> dict[str, Any]:
        return {
            "times": len(self.faults[kind]),
            "took effect": sum(map(bool, self.faults[kind])),
            "counted": sum(self.faults[kind]),
            "detected s": _percentiles(self._detected[kind]),
            "recovered s": _percentiles(self._recovered[kind]),
        }


def _percentiles(values: list[float]) -> list[float] | None:
    """p50 and p99."""
    if not values:
        return None
    ordered = sorted(values)
    return [round(statistics.median(ordered), 2), round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2)]


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
