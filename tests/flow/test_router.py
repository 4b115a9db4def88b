"""Routers: by turns, to the least loaded, by key; over a list and over a group whose members come, go and end."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import actorpar as ap
from actorpar.testing import wait_idle

ROOT = Path(__file__).resolve().parents[2]
#: Where twelve keys go among six members. It must be the same everywhere and for ever, so it stands here.
PLACES = "1 0 4 0 5 2 4 1 2 1 5 2"


class Desk(ap.Actor):
    def __init__(self, number: int, group: str = "") -> None:
        self.number = number
        self.seen: list[str] = []
        if group:
            self.ctx.join(group)

    def note(self, text: str) -> int:
        self.seen.append(text)
        return self.number

    def notes(self) -> list[str]:
        return self.seen

    async def wait(self, rx: ap.Receiver[None]) -> None:
        with rx:
            await rx.receive()


async def desks(system: ap.ActorSystem, count: int, group: str = "") -> list[ap.ActorRef[Desk]]:
    return [await system.spawn(Desk, number, group, name=f"desk-{number}") for number in range(count)]


async def test_by_turns_everybody_gets_the_same_number(actor_system: ap.ActorSystem) -> None:
    router = ap.Router(await desks(actor_system, 3))
    assert [await router.ask(Desk.note, "a") for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    assert router.tell(Desk.note, "b")
    await router.send(Desk.note, "c")
    assert [await ref.ask(Desk.notes) for ref in router.members] == [["a"] * 3, ["a", "a", "b"], ["a", "a", "c"]]


async def test_who_has_ended_is_passed_over(actor_system: ap.ActorSystem) -> None:
    refs = await desks(actor_system, 3)
    router = ap.Router(refs)
    await actor_system.stop(refs[1])
    assert [await router.ask(Desk.note, "a") for _ in range(4)] == [0, 2, 0, 2]
    assert router.members == (refs[0], refs[2])


@pytest.mark.parametrize("choice", ["round_robin", "least_loaded"])
async def test_without_a_member_there_is_a_clear_error(actor_system: ap.ActorSystem, choice: str) -> None:
    refs = await desks(actor_system, 1)
    router = ap.Router(refs, choice=choice)  # type: ignore[arg-type]
    await actor_system.stop(refs[0])
    with pytest.raises(ap.NoMembers, match="a router of 1 actors has no member that is alive"):
        await router.ask(Desk.note, "a")
    with pytest.raises(ap.NoMembers):
        await router.send(Desk.note, "a")
    with pytest.raises(ap.NoMembers):
        router.by_key("a")
    assert not router.tell(Desk.note, "a")
    with pytest.raises(ap.NoMembers, match="the router of group 'nobody' has no member"):
        ap.Router.of_group(actor_system, "nobody", Desk).choose()


async def test_the_least_loaded_gets_the_next_message(actor_system: ap.ActorSystem) -> None:
    refs = await desks(actor_system, 3)
    router = ap.Router(refs, choice="least_loaded")
    for ref, count in zip(refs, (2, 0, 3), strict=True):
        actor_system.suspend(ref)
        for _ in range(count):
            ref.tell(Desk.note, "before")
    chosen = []
    for _ in range(7):
        ref = router.choose()
        ref.tell(Desk.note, "routed")
        chosen.append(refs.index(ref))
    assert chosen[:2] == [1, 1]
    assert Counter(chosen) == {0: 2, 1: 4, 2: 1}
    assert sorted(map(len, refs)) == [4, 4, 4]  # type: ignore[arg-type]  # a local reference tells its load
    for ref in refs:
        actor_system.resume(ref)


async def test_a_handler_in_hand_counts_as_load(actor_system: ap.ActorSystem) -> None:
    refs = await desks(actor_system, 2)
    router = ap.Router(refs, choice="least_loaded")
    tx, rx = ap.open_channel[None](0)
    with tx:
        refs[0].tell(Desk.wait, rx)
        await wait_idle(actor_system)
        assert [router.choose() for _ in range(3)] == [refs[1]] * 3
        await tx.send(None)


async def test_of_equally_loaded_each_gets_its_turn(actor_system: ap.ActorSystem) -> None:
    router = ap.Router(await desks(actor_system, 3), choice="least_loaded")
    assert [await router.ask(Desk.note, "a") for _ in range(5)] == [0, 1, 2, 0, 1]


# -- by key


async def test_equal_keys_go_to_the_same_member_everywhere_and_for_ever(actor_system: ap.ActorSystem) -> None:
    router = ap.Router(await desks(actor_system, 6))
    keys: list[str | bytes | int] = [*(f"user-{n}" for n in range(8)), b"user-0", 0, -1, 2**80]
    places = [await router.by_key(key).ask(Desk.note, "x") for key in keys]
    assert " ".join(map(str, places)) == PLACES


async def test_a_member_that_leaves_moves_its_keys_only(actor_system: ap.ActorSystem) -> None:
    refs = await desks(actor_system, 5)
    router = ap.Router(refs)
    keys = [f"key {n}" for n in range(1000)]
    before = {key: router.by_key(key) for key in keys}
    shares = Counter(before.values())
    assert all(150 <= shares[ref] <= 250 for ref in refs)
    await actor_system.stop(refs[2])
    after = {key: router.by_key(key) for key in keys}
    assert {key for key in keys if before[key] != after[key]} == {key for key in keys if before[key] == refs[2]}
    moved = Counter(after[key] for key in keys if before[key] == refs[2])
    assert all(moved[ref] >= 25 for ref in refs if ref is not refs[2])


async def test_keys_of_different_types_are_different_and_others_are_refused(actor_system: ap.ActorSystem) -> None:
    router = ap.Router(
        [await actor_system.spawn(Desk, n, name=f"desk-with-{'a-long-' * 12}name-{n}") for n in range(99)]
    )
    assert len({router.by_key("7"), router.by_key(b"7"), router.by_key(7)}) == 3
    with pytest.raises(ap.InvalidActor, match=r"chooses by a str, bytes or an int, not by 1\.5"):
        router.by_key(1.5)  # type: ignore[arg-type]


# -- groups


async def test_the_router_of_a_group_follows_joins_leaves_and_ends(actor_system: ap.ActorSystem) -> None:
    router = ap.Router.of_group(actor_system, "desks", Desk)
    assert router.members == ()
    refs = await desks(actor_system, 3, "desks")
    assert [await router.ask(Desk.note, "a") for _ in range(3)] == [0, 1, 2]
    actor_system.groups.leave("desks", refs[0])
    assert {await router.ask(Desk.note, "a") for _ in range(4)} == {1, 2}
    actor_system.kill(refs[1])
    assert {await router.ask(Desk.note, "a") for _ in range(2)} == {2}
    actor_system.groups.join("desks", refs[0])
    assert {await router.ask(Desk.note, "a") for _ in range(2)} == {0, 2}


async def test_who_joined_twice_gets_two_turns(actor_system: ap.ActorSystem) -> None:
    refs = await desks(actor_system, 2, "desks")
    actor_system.groups.join("desks", refs[1])
    router = ap.Router.of_group(actor_system, "desks", Desk)
    assert Counter([await router.ask(Desk.note, "a") for _ in range(30)]) == {0: 10, 1: 20}


class Faulty(ap.Actor):
    def __init__(self, group: str) -> None:
        self.ctx.join(group)

    def crash(self) -> None:
        raise ValueError("on purpose")

    def say(self) -> str:
        return self.ctx.name


async def test_a_member_that_is_restarted_is_back_under_its_key(actor_system: ap.ActorSystem) -> None:
    children = [ap.child(Faulty, "faulty", name=f"faulty-{n}") for n in range(3)]
    await actor_system.spawn(ap.Supervisor, ap.one_for_one(*children, intensity=5))
    router = ap.Router.of_group(actor_system, "faulty", Faulty)
    name = await router.by_key("ada").ask(Faulty.say)
    with pytest.raises(ap.HandlerFailed):
        await router.by_key("ada").ask(Faulty.crash)
    members, changes = actor_system.groups.monitor("faulty")
    with changes:
        while len(members) < 3:
            await changes.receive()
            members = router.members
    assert await router.by_key("ada").ask(Faulty.say) == name


# -- bad input


def test_what_is_no_reference_is_refused() -> None:
    with pytest.raises(ap.InvalidActor):
        ap.Router([Desk])  # type: ignore[arg-type]
    with pytest.raises(ap.InvalidActor, match="round_robin, least_loaded, not 'random'"):
        ap.Router([], choice="random")  # type: ignore[arg-type]


async def test_a_group_needs_a_name(actor_system: ap.ActorSystem) -> None:
    with pytest.raises(ap.InvalidName):
        ap.Router.of_group(actor_system, "", Desk)


def test_the_hash_does_not_depend_on_the_seed_of_the_interpreter() -> None:
    program = (
        "import asyncio, actorpar as ap\n"
        "from tests.flow.test_router import Desk, desks\n"
        "async def main():\n"
        "    async with ap.ActorSystem() as system:\n"
        "        router = ap.Router(await desks(system, 6))\n"
        "        print(*[await router.by_key(f'user-{n}').ask(Desk.note, 'x') for n in range(8)])\n"
        "ap.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert PLACES.startswith(done.stdout.strip())
