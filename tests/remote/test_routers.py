"""Routers over nodes: by turns, by load, by key, to all; and nodes that are killed and return."""

from __future__ import annotations

import asyncio
import functools
import re
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import actorpar as ap
from actorpar.flow.router import Choice
from tests.nodes.meshed import until
from tests.remote.shards import GROUP, KEYS, Shard
from tests.remote.systems import systems
from tests.remote.test_groups import all_see

ROOT = Path(__file__).resolve().parents[2]


def router_of(system: ap.ActorSystem, choice: Choice = "round_robin") -> ap.Router[Shard]:
    return ap.Router.of_group(system, GROUP, Shard, choice=choice)


async def test_members_of_all_nodes_have_their_turns() -> None:
    async with systems(3) as world:
        those = world.all
        for number, system in enumerate(those):
            await system.spawn(Shard, name=f"s-{number}")
        await all_see(those, "s-0", "s-1", "s-2")
        for system in those:
            router = router_of(system)
            assert Counter([await router.ask(Shard.note, "x") for _ in range(9)]) == {f"s-{n}": 3 for n in range(3)}
        fixed = ap.Router(those[0].groups.members(GROUP))
        assert {await fixed.ask(Shard.note, "x") for _ in range(3)} == {"s-0", "s-1", "s-2"}
        assert fixed.tell(Shard.note, "told")
        await fixed.send(Shard.note, "sent")


async def test_all_members_are_told_once_by_a_broadcast() -> None:
    async with systems(2) as world:
        those = world.all
        shards = [await system.spawn(Shard, name=f"s-{number}") for number, system in enumerate(those)]
        await shards[0].ask(Shard.join, GROUP)
        await all_see(those, "s-0", "s-0", "s-1")
        assert router_of(those[1]).broadcast(Shard.note, "all") == 2
        for ref in those[1].groups.members(GROUP):
            assert await ref.ask(Shard.notes) == ["all"]
        assert ap.Router.of_group(those[0], "nobody", Shard).broadcast(Shard.note, "x") == 0


async def test_the_load_of_a_member_elsewhere_is_what_is_asked_from_here() -> None:
    async with systems(2) as world:
        those = world.all
        shards = [await those[1].spawn(Shard, name=f"s-{number}") for number in range(3)]
        await all_see(those, "s-0", "s-1", "s-2")
        router = router_of(those[0], "least_loaded")
        asking = []
        for _ in range(2):  # each takes one that nobody has asked
            ref = router.choose()
            asking.append(asyncio.create_task(ref.ask(Shard.wait)))
            await until(functools.partial(getattr, ref, "asked"))
        free = {router.choose().name for _ in range(6)}
        assert len(free) == 1
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len({router.choose().name for _ in range(3)}) == 3
        for shard in shards:
            those[1].kill(shard)


async def test_a_key_has_the_same_member_on_every_node() -> None:
    async with systems(3) as world:
        those = world.all
        for system in those:
            for number in range(2):
                await system.spawn(Shard, name=f"{system.name}-{number}")
        await until(lambda: all(len(system.groups.members(GROUP)) == 6 for system in those))
        keys = [f"key {number}" for number in range(300)]
        owners = [[router_of(system).by_key(key).name for key in keys] for system in those]
        assert owners[0] == owners[1] == owners[2]
        assert min(Counter(owners[0]).values()) > 20
        assert [await router_of(those[2]).by_key(key).ask(Shard.note, key) for key in keys] == owners[0]


async def test_members_of_one_name_share_its_keys_alike_on_every_node() -> None:
    async with systems(3) as world:
        those = world.all
        for system in those:
            await system.spawn(Shard, name="same")
        await until(lambda: all(len(system.groups.members(GROUP)) == 3 for system in those))
        keys = [f"key {number}" for number in range(300)]
        for key in keys:
            await router_of(those[0]).by_key(key).ask(Shard.note, key)
        before = [await shard.ask(Shard.notes) for shard in those[0].groups.members(GROUP)]
        assert min(map(len, before)) > 60
        for key in keys:
            await router_of(those[1]).by_key(key).ask(Shard.note, key)
            await router_of(those[2]).by_key(key).ask(Shard.note, key)
        after = [Counter(await shard.ask(Shard.notes)) for shard in those[0].groups.members(GROUP)]
        assert after == [Counter(dict.fromkeys(notes, 3)) for notes in before]


async def test_a_name_that_comes_after_the_join_moves_no_key() -> None:
    async with systems(2) as world:
        those = world.all
        shards = [await those[0].spawn(Shard) for _ in range(4)]
        await until(lambda: len(those[1].groups.members(GROUP)) == 4)
        for number, shard in enumerate(shards):
            those[0].registry.register(f"late-{number}", shard)  # type: ignore[arg-type]
        for key in range(50):
            here = await router_of(those[0]).by_key(key).ask(Shard.note, "x")
            assert await router_of(those[1]).by_key(key).ask(Shard.note, "x") == here


async def test_a_supervised_shard_whose_node_is_lost_has_its_keys_on_another_node() -> None:
    async with systems(3, labels=("shards",)) as world:
        names = [f"s-{number}" for number in range(4)]
        children = [ap.child(Shard, name=name, id=name, on="shards") for name in names]
        await world.here.spawn(ap.Supervisor, ap.one_for_one(*children, intensity=9))
        await all_see(world.all, *names)
        router = router_of(world.here)
        before = [await router.by_key(key).ask(Shard.note, "x") for key in range(40)]
        assert len(set(before)) == 4
        _, changes = world.here.groups.monitor(GROUP)
        await world.lose(1)
        change = await changes.receive()
        assert not change.joined
        assert len(change.refs) == 2
        await all_see(world.all[::2], *names)
        assert [await router.by_key(key).ask(Shard.note, "x") for key in range(40)] == before
        changes.close()


async def test_without_a_member_on_any_node_there_is_a_clear_error() -> None:
    async with systems(2) as world:
        those = world.all
        shard = await those[0].spawn(Shard, name="s")
        await all_see(those, "s")
        await those[0].stop(shard)
        await all_see(those)
        with pytest.raises(ap.NoMembers):
            await router_of(those[1]).ask(Shard.note, "x")


# -- processes


@pytest.mark.parametrize("nodes", [0, 3])
def test_the_shards_of_the_guide_run_on_one_process_and_on_nodes(tmp_path: Path, nodes: int) -> None:
    guide = (ROOT / "docs" / "nodes.md").read_text("utf-8")
    (program,) = re.findall(
        r"^```python\n(import actorpar as ap\n\n\nclass Shard.*?)^```$", guide, re.DOTALL | re.MULTILINE
    )
    (tmp_path / "shards.py").write_text(program, "utf-8")
    command = [sys.executable, "-m", "actorpar", "run", str(tmp_path / "shards.py"), "--nodes", str(nodes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n") == ["ada 1", "bob 1", "ada 2", f"{nodes or 1} {nodes or 1}", ""], done.stderr


class Process:
    """A node in a process of its own."""

    def __init__(self, name: str, running: asyncio.subprocess.Process) -> None:
        self.name = name
        self.running = running
        self.is_ready = False
        self.members: set[str] = set()

    async def read(self) -> str:
        assert self.running.stdout is not None
        line = await self.running.stdout.readline()
        assert line, f"{self.name} has ended"
        return line.decode().strip()

    async def sees(self, *members: str) -> list[str]:
        """Read changes until the group is this, and return them; each must change something."""
        changes = []
        while self.members != set(members) or not self.is_ready:
            line = await self.read()
            if line == "ready":
                self.is_ready = True
                continue
            changes.append(line)
            for name in line[1:].split(","):
                assert (name in self.members) == (line[0] == "-"), f"{name} came or went twice"
                (self.members.remove if line[0] == "-" else self.members.add)(name)
        return changes

    async def owners(self) -> list[str]:
        """Who answers for each key, asked from this node."""
        assert self.running.stdin is not None
        self.running.stdin.write(b"keys\n")
        return (await self.read()).removeprefix("keys ").split()

    async def kill(self) -> None:
        """By SIGKILL, if it lives."""
        if self.running.returncode is None:
            self.running.kill()
        await self.running.communicate()


class Cluster:
    """Such nodes, all of which link to each other."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._folder = stack.enter_context(TemporaryDirectory(prefix="ap-"))

    async def start(self, name: str, other: str = "") -> Process:
        words = ["-m", "tests.remote.shards", name, self._folder, other]
        pipe = asyncio.subprocess.PIPE
        running = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdin=pipe, stdout=pipe)
        process = Process(name, running)
        self._stack.push_async_callback(process.kill)
        return process


async def test_ac53_a_killed_node_moves_its_keys_only_and_takes_them_back_when_it_returns() -> None:
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        cluster = Cluster(stack)
        first = await cluster.start("a")
        await first.sees("a-0", "a-1")
        nodes = [first, await cluster.start("b", "a"), await cluster.start("c", "a")]
        everybody = [f"{name}-{number}" for name in "abc" for number in range(2)]
        for node in nodes:
            await node.sees(*everybody)
        before = [await node.owners() for node in nodes]
        assert before[0] == before[1] == before[2], "every node asks the same actor for a key"
        assert len(before[0]) == KEYS
        assert set(before[0]) == set(everybody)

        await nodes.pop().kill()
        left = everybody[:4]
        assert [await node.sees(*left) for node in nodes] == [["-c-0,c-1"]] * 2, "one change on each node"
        moved = [await node.owners() for node in nodes]
        assert moved[0] == moved[1]
        assert all(now == then or then[0] == "c" for now, then in zip(moved[0], before[0], strict=True))
        assert set(moved[0]) == set(left)

        nodes.append(await cluster.start("c", "a"))
        for node in nodes:
            assert "".join(await node.sees(*everybody)).count("c-0") == 1
        assert [await node.owners() for node in nodes] == [before[0]] * 3
