"""The nodes of a system, as one of them sees all."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import actorpar as ap
from actorpar.nodes.node import Node
from actorpar.observe import nodeview, view
from actorpar.observe.metrics import exposition
from actorpar.observe.nodes import NodeRow
from actorpar.remote import messages as m
from actorpar.remote.survey import AGAIN, LOST, Survey
from tests.nodes.meshed import mesh, until
from tests.observe.test_top import snapshot, top
from tests.remote.subjects import Counter
from tests.remote.test_remote_actors import two_systems

PROGRAM = Path(__file__).with_name("three.py")


@pytest.fixture
def engine() -> str:
    """What runs the programs does not matter here."""
    return "run queue"


def survey_of(system: ap.ActorSystem) -> Survey:
    return system.hub.survey


async def looked(system: ap.ActorSystem) -> list[NodeRow]:
    """The nodes, after all have answered."""
    await until(lambda: all(row["figures"] is not None for row in system.snapshot()["nodes"]))
    return system.snapshot()["nodes"]


async def test_each_node_tells_what_it_measures_of_itself() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        for _ in range(3):
            await counter.ask(Counter.add, 1)
        here, there = await looked(two.here)
        assert [(row["name"], row["state"], row["link"]) for row in (here, there)] == [
            ("n0", "here", ""),
            ("n1", "up", "unix"),
        ]
        assert here["figures"] is not None
        assert there["figures"] is not None
        assert (here["figures"]["actors"], there["figures"]["actors"]) == (0, 1)
        assert there["figures"]["messages"] == 3
        assert there["figures"]["memory"] == pytest.approx(here["figures"]["memory"], rel=0.5)
        assert there["figures"]["links"]["n0"][1] > 0
        assert there["sent"] == two.here.hub.traffic()["n1"][0] == here["sent"]
        assert there["addresses"] == list(two.nodes.nodes[1].addresses)
        assert json.loads(json.dumps(there)) == there


async def test_nothing_is_asked_until_somebody_looks_and_then_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def measure(survey: Survey) -> m.Figures:
        nonlocal looks
        looks += survey.node.name == "n1"
        return real(survey)

    real = Survey.measure
    monkeypatch.setattr(Survey, "measure", measure)
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        assert looks == 0
        for _ in range(10):
            two.here.snapshot()
        await counter.ask(Counter.add, 1)  # goes behind the questions
        assert looks == 1
        assert two.here.snapshot()["nodes"][1]["figures"] is not None
        await counter.ask(Counter.add, 1)
        assert looks == 2


async def test_a_node_that_has_not_answered_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no system yet; without one it has no figures either."""
    async with mesh(2) as nodes:
        async with ap.ActorSystem(node=nodes.nodes[0]) as here:
            asked: list[Any] = []
            (link,) = nodes.nodes[0].links.values()
            monkeypatch.setattr(link, "call", lambda lane, body, buffers: asked.append(m.unpack(body)[0]))
            survey = survey_of(here)
            now = 0.0
            monkeypatch.setattr("actorpar.remote.survey.env.clock", lambda: now)
            for now in (0.0, AGAIN / 2, AGAIN, AGAIN * 1.5):  # noqa: B007  # the clock reads it
                survey.look()
            assert asked == [m.Look(), m.Look()]


async def test_figures_that_nobody_has_asked_for_are_not_taken() -> None:
    async with two_systems() as two:
        (link,) = two.there.hub.node.links.values()
        link.call(m.LANE, m.pack(survey_of(two.there).measure()), [])
        counter = await two.here.spawn(Counter, on="n1")  # its answer comes behind them
        assert await counter.ask(Counter.add, 1) == 1
        assert two.here.snapshot()["nodes"][1]["figures"] is None


async def test_what_a_node_calls_its_machine_reaches_the_terminal_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "\x1b[2Jevil\n" + "x" * 1000)
    async with two_systems() as two:
        figures = (await looked(two.here))[1]["figures"]
        assert figures is not None
        assert figures["hostname"].startswith("\\x1b[2Jevil\\n")
        assert len(figures["hostname"]) < 250


@pytest.mark.parametrize("field", ["clock", "cpu", "load", "lag"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
async def test_a_figure_that_no_node_can_have_is_refused(field: str, value: float) -> None:
    async with two_systems() as two:
        figures = survey_of(two.there).measure()
        assert m.unpack(m.pack(figures))[0] == figures
        setattr(figures, field, value)
        with pytest.raises(ap.ActorparError, match="no message to actors"):
            m.unpack(m.pack(figures))


async def test_a_node_that_is_lost_is_shown_with_the_reason_until_it_is_back() -> None:
    async with mesh(3) as nodes:
        async with ap.ActorSystem(node=nodes.nodes[0]) as system:
            await nodes.nodes[2].close("it was told to")
            await until(lambda: len(system.snapshot()["nodes"]) == 3 and system.snapshot()["nodes"][2]["reason"])
            lost = system.snapshot()["nodes"][2]
            assert (lost["name"], lost["state"]) == ("n2", "lost")
            assert "it was told to" in lost["reason"]
            async with Node("n2") as again:
                await again.connect(nodes.nodes[0].addresses[0])
                await until(lambda: len(nodes.nodes[0].links) == 2)
                assert [row["state"] for row in system.snapshot()["nodes"]] == ["here", "up", "up"]


async def test_of_the_lost_the_latest_are_remembered() -> None:
    async with mesh(1) as nodes, ap.ActorSystem(node=nodes.nodes[0]) as system:
        for number in range(LOST + 2):
            async with Node(f"guest-{number}") as other:
                await other.connect(nodes.nodes[0].addresses[0])
            await until(lambda: not nodes.nodes[0].links)
        names = [row["name"] for row in system.snapshot()["nodes"][1:]]
        assert names == [f"guest-{number}" for number in reversed(range(2, LOST + 2))]


async def test_a_system_without_a_node_has_no_nodes_to_show() -> None:
    async with ap.ActorSystem() as system:
        assert system.snapshot()["nodes"] == []


async def test_the_metrics_tell_what_this_node_sees_of_the_others() -> None:
    async with two_systems() as two:
        told = {
            sample.name: (sample.labels, sample.value)
            for family in text_string_to_metric_families(exposition(two.here).decode())
            for sample in family.samples
        }
        link = {"system": "n0", "node": "n1"}
        sent, received = two.here.hub.traffic()["n1"]
        assert told["actorpar_link_sent_bytes_total"] == (link, sent)
        assert told["actorpar_link_received_bytes_total"] == (link, received)
        assert told["actorpar_node_stall_seconds"] == (link, 0.0)
        assert told["actorpar_node_heard_seconds"][0] == link
        assert told["actorpar_node_heard_seconds"][1] < 5
        assert told["actorpar_loop_lag_seconds"][0] == {"system": "n0"}


# -- on a program


def test_top_shows_the_nodes_of_a_program_the_busy_and_the_blocked_one(
    runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the four systems with a socket the controller is looked at, for it has started the others."""
    program = [sys.executable, "-W", "error", "-m", "actorpar", "run", str(PROGRAM), "--nodes", "3"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "ACTORPAR_CONTROL": "1", "TMPDIR": str(runtime)}
    with subprocess.Popen(program, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == "ready\n"
            states: dict[str, str] = {}
            while states.get("node-2") != "stalled":
                assert running.poll() is None
                told = json.loads(top(capsys, "--json")[1])["nodes"]
                states = {row["name"]: row["state"] for row in told}
            assert len(list((runtime / "actorpar").iterdir())) == 4
            while True:
                out = top(capsys, "--once")[1]
                heading, controller, *nodes = (line.split() for line in out.splitlines()[3:8])
                if "-" not in (nodes[0][2], nodes[2][2]):  # both have answered in time
                    break
        finally:
            running.kill()
            running.communicate(timeout=30)
    assert heading == [column for column in nodeview.COLUMNS if column != "device"]
    assert controller[:2] == [f"controller-{running.pid}", "here"]
    assert [node[:2] for node in nodes] == [["node-1", "up"], ["node-2", "stalled"], ["node-3", "up"]]
    busy, blocked, idle = nodes
    assert float(busy[2].rstrip("%")) > float(idle[2].rstrip("%"))
    assert {"pipe", f"{platform.node()},"} <= set(busy) & set(idle)
    assert blocked[2] == "-"


# -- what is made of it


def row(name: str, state: str = "up", figures: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    made = {
        "name": name, "state": state, "pid": 7, "cores": 64, "labels": [], "addresses": [], "link": "tls",
        "heard": 0.2, "stall": 0.0, "sent": 0, "received": 0, "reason": "", "age": None, "figures": figures,
    }  # fmt: skip
    return {**made, **fields}


def figures(clock: float, cpu: float = 0.0, **fields: Any) -> dict[str, Any]:
    made = {
        "clock": clock, "cpu": cpu, "memory": 45_212_345, "load": 1.25, "lag": 0.003, "cores": 8, "actors": 3,
        "messages": 0, "ends": 4, "links": {}, "hostname": "web1", "platform": "Linux aarch64",
        "python": "CPython 3.13.1", "devices": [],
    }  # fmt: skip
    return {**made, **fields}


def cells(now: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, str]:
    """The cells of one node by their columns."""
    (found,) = nodeview.rows(snapshot(0, nodes=[now]), snapshot(0, nodes=[before]) if before else None)
    return dict(zip(nodeview.COLUMNS, found, strict=True))


def test_rates_are_of_two_answers_by_the_clock_of_the_node_itself() -> None:
    before = figures(1000.0, 50.0, messages=100, links={"a": [0, 500], "b": [10_000, 0], "gone": [7, 7]})
    now = figures(1002.0, 51.0, messages=300, links={"a": [4_000, 500], "b": [10_000, 3_000_000], "new": [9, 9]})
    told = cells(row("n", figures=now), row("n", figures=before))
    assert (told["cpu"], told["msgs/s"], told["in/s"], told["out/s"]) == ("50%", "100", "1.5 MB", "2.0 kB")
    for earlier in (row("n", figures=now), row("n"), row("other", figures=before), None):
        told = cells(row("n", figures=now), earlier)
        assert (told["cpu"], told["msgs/s"], told["in/s"], told["out/s"]) == ("-", "-", "-", "-")


def test_unlike_machines_stand_side_by_side() -> None:
    told = cells(row("n", figures=figures(0.0)))
    assert (told["cores"], told["load"], told["memory"]) == ("8", "1.2", "45.2 MB")
    assert told["machine"] == "web1, CPython 3.13.1, Linux aarch64"
    told = cells(row("n", figures=figures(0.0, memory=None, load=None)))
    assert (told["memory"], told["load"]) == ("-", "-")


def test_a_node_whose_loop_stands_keeps_what_it_said_and_shows_for_how_long() -> None:
    told = cells(row("n", "stalled", figures(0.0), stall=9.5))
    assert (told["state"], told["lag"], told["heard"], told["memory"]) == ("stalled", "9.5 s", "200 ms", "45.2 MB")
    told = cells(row("n", "stalled", None, stall=9.5))
    assert (told["lag"], told["memory"], told["cores"]) == ("9.5 s", "-", "64")


def test_of_a_lost_node_the_reason_is_shown() -> None:
    told = cells(row("n", "lost", None, heard=None, link="", reason="it was silent for 10.1 s"))
    assert (told["state"], told["heard"], told["machine"]) == ("lost", "-", "it was silent for 10.1 s")


def test_plain_text_has_the_nodes_above_the_actors() -> None:
    told = view.as_text(snapshot(0, (1, 0, "a", 0), nodes=[row("n0", "here"), row("n1")]), None, "tree").splitlines()
    assert [line.split()[0] for line in (told[3], told[4], told[5], told[7], told[8])] == [
        *("node", "n0", "n1"),
        *("actor", "a"),
    ]


@pytest.mark.parametrize(("height", "cut"), [(12, True), (24, True), (120, False)])
def test_the_picture_of_many_nodes_fits_the_terminal_and_counts_the_rest(height: int, cut: bool) -> None:
    from rich.console import Console

    nodes = [row(f"node-{number}") for number in range(40)]
    many = snapshot(0, *((n, 0, f"desk-{n}", n) for n in range(1, 200)), nodes=nodes)
    console = Console(width=100, height=height, force_terminal=True)
    with console.capture() as capture:
        console.print(view.as_table(many, None, "tree", height, 100))
    drawn = capture.get().splitlines()
    assert len(drawn) <= height
    assert any("more actors" in line for line in drawn)
    assert any("node-0" in line for line in drawn)
    assert any("more nodes" in line for line in drawn) is cut


def test_a_narrow_terminal_shows_the_first_columns_whole() -> None:
    named, table = nodeview.shown(nodeview.rows(snapshot(0, nodes=[row("node-1", figures=figures(0.0))]), None))
    columns = list(named)
    assert nodeview.fitting(columns, table, 1000) == len(columns)
    assert columns[: nodeview.fitting(columns, table, 40)] == ["node", "state", "cpu", "memory", "lag"]
