"""A snapshot is plain data of a bounded size, and tells of the actors that have something to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

import actorpar as ap
from actorpar.observe.snapshot import FORMAT, snapshot
from tests.actors.staff import Desk, PlainDesk, SlowDesk
from tests.processes.running import settle

pytestmark = pytest.mark.virtual_time


async def test_a_snapshot_survives_json_unchanged() -> None:
    async with ap.ActorSystem("a name with \x1b and \n in it") as system:
        ref = await system.spawn(SlowDesk, name="desk")
        ref.tell(Desk.note, 1)
        system.suspend(await system.spawn(PlainDesk))
        picture = system.snapshot()
        again = json.loads(json.dumps(picture))
        assert json.dumps(again) == json.dumps(picture)
        assert (again["format"], again["alive"], again["left_out"]) == (FORMAT, 2, 0)
        assert again["system"] == "a name with \\x1b and \\n in it"
        assert [(row["name"], row["state"]) for row in again["actors"]] == [
            ("desk", "queued"),
            ("PlainDesk-3", "suspended"),
        ]


async def test_children_come_after_their_parents_and_name_them_by_number() -> None:
    async with ap.ActorSystem() as system:
        parent, other = await system.spawn(PlainDesk, name="parent"), await system.spawn(PlainDesk, name="other")

        async def begin(desk: Any) -> None:
            await desk.ctx.spawn(PlainDesk, name="child")

        await parent.ask(Desk.run, begin)
        rows = {row["name"]: row for row in system.snapshot()["actors"]}
        assert list(rows) == ["parent", "other", "child"]
        assert (rows["parent"]["parent"], rows["parent"]["children"]) == (0, 1)
        assert rows["child"]["parent"] == rows["parent"]["number"]
        assert system.inspect(other).parent is None


async def test_of_many_actors_the_first_are_shown_and_those_that_have_something_to_do() -> None:
    async with ap.ActorSystem() as system:
        refs = [await system.spawn(PlainDesk, name=f"desk-{n}") for n in range(100)]
        refs[90].tell(Desk.note, 1)
        picture = snapshot(system, actors=10)
        assert [row["name"] for row in picture["actors"]] == [*(f"desk-{n}" for n in range(9)), "desk-90"]
        assert (picture["alive"], picture["left_out"]) == (100, 90)
        for ref in refs:
            ref.tell(Desk.note, 1)
        names = [row["name"] for row in snapshot(system, actors=10)["actors"]]
        assert len(set(names)) == 10
        assert set(names) >= {f"desk-{n}" for n in range(5)}
        await settle()


async def test_the_counters_are_those_of_the_system() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        for n in range(10):
            ref.tell(Desk.note, n)
        await settle()
        await system.stop(ref)
        ref.tell(Desk.note, 1)
        picture = system.snapshot()
        counters = picture["counters"]
        assert (counters["spawned"], counters["ended"], counters["handled"], picture["alive"]) == (1, 1, 10, 0)
        assert picture["dead_letters"] == {"dead": 1}


async def test_a_system_that_does_not_run_has_no_snapshot() -> None:
    with pytest.raises(ap.ActorError, match="not running"):
        ap.ActorSystem("later").snapshot()
