"""`actorpar top` on programs of their own, and what it makes of two snapshots."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from actorpar import cli
from actorpar.observe import view
from actorpar.observe.snapshot import SystemSnapshot
from actorpar.observe.text import seconds_text

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def program(runtime: Path, *names: str, control: str = "1") -> Iterator[subprocess.Popen[str]]:
    """A running program with systems of these names."""
    running = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.observe.program", *names],
        cwd=ROOT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "ACTORPAR_CONTROL": control},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield running
        _, errors = running.communicate(timeout=30)
        assert "Traceback" not in errors


def top(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command: exit code, standard output, standard error."""
    status = cli.main(["top", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def engine() -> str:
    """What runs the programs does not matter here."""
    return "run queue"


# -- on a program


def test_once_prints_actors_waits_and_deadlock_suspects(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with program(runtime, "shop") as running:
        status, out, err = top(capsys, "--once")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"shop: process {running.pid}, 4 actors, 0 queued, 2 handlers suspended"
    table = {line.split()[0]: line.split() for line in lines[3:8]}
    assert list(table) == ["actor", "first", "second", "held", "counter"]
    assert table["held"] == ["held", "Counter", "suspended", "3", "75%", "0", "0", "-"]
    assert table["counter"] == ["counter", "Counter", "idle", "0", "0%", "0", "1", "-"]
    assert table["first"][1:3] == ["Counter", "busy"]
    assert " ms (program.py:" in lines[4]
    assert "pass_on (program.py:" in lines[5]
    assert any(line in lines for line in ("DEADLOCK? first -> second -> first", "DEADLOCK? second -> first -> second"))
    assert any(line.startswith("client waits for ") and line.endswith("to answer pass_on (in hand)") for line in lines)


def test_a_system_is_chosen_by_process_by_socket_or_by_being_the_only_one(
    runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with program(runtime, "shop") as running:
        (path,) = (runtime / "actorpar").iterdir()
        for chosen in ((), (running.pid,), (path,)):
            status, out, _ = top(capsys, *chosen, "--json")
            told = json.loads(out)
            assert (status, told["system"], told["pid"]) == (0, "shop", running.pid)
            assert [row["name"] for row in told["actors"]] == ["first", "second", "held", "counter"]


def test_of_several_systems_one_has_to_be_chosen(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with program(runtime, "shop", "store") as running:
        status, out, err = top(capsys, "--once")
        assert (status, out) == (2, "")
        assert [line.split()[:2] for line in err.splitlines()[1:]] == [
            [str(running.pid), "shop"],
            [str(running.pid), "store"],
        ]
        assert top(capsys, running.pid, "--once")[0] == 2
        with program(runtime, "bank") as other:
            assert len(top(capsys)[2].splitlines()) == 4
            status, out, _ = top(capsys, other.pid, "--once")
            assert (status, out.partition(":")[0]) == (0, "bank")


@pytest.mark.parametrize("how", ["--json", "--once"])
def test_whoever_stops_reading_gets_no_traceback(runtime: Path, how: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with program(runtime, "shop"):
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-m", "actorpar", "top", how],
            cwd=ROOT,
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_without_a_system_it_says_how_to_get_one(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with program(runtime, "shop", control="0"):
        status, out, err = top(capsys)
    assert (status, out) == (1, "")
    assert "start the program with ACTORPAR_CONTROL=1" in err
    for chosen in (1, runtime / "nothing", runtime):
        status, out, err = top(capsys, chosen, "--once")
        assert (status, out, err.count("\n")) == (1, "", 1)


def test_a_program_that_was_killed_leaves_nothing_that_top_stumbles_over(
    runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        running = stack.enter_context(program(runtime, "shop"))
        running.send_signal(signal.SIGKILL)
        running.wait(30)
        assert len(list((runtime / "actorpar").iterdir())) == 1
        assert top(capsys, "--once")[0] == 1
        with program(runtime, "bank"):
            assert top(capsys, "--once")[1].startswith("bank:")
            assert len(list((runtime / "actorpar").iterdir())) == 1


def test_a_program_whose_loop_is_blocked_is_told_as_such(
    runtime: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actorpar.observe.client.PATIENCE", 0.2)
    with program(runtime, "shop") as running:
        running.send_signal(signal.SIGSTOP)
        try:
            status, _, err = top(capsys, "--once")
        finally:
            running.send_signal(signal.SIGCONT)
    assert status == 1
    assert "the event loop of that program is blocked" in err


@asynccontextmanager
async def watching(running: subprocess.Popen[str], pictures: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running `actorpar top` that has drawn so many pictures."""
    command = [sys.executable, "-W", "error", "-m", "actorpar", "top", str(running.pid)]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "100", "LINES": "30"}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=-1, stderr=-1)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            for _ in range(pictures):
                await process.stdout.readuntil(b"counter")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.may_block  # until the program has started
async def test_the_live_picture_is_drawn_again_until_the_program_ends(runtime: Path) -> None:
    async with AsyncExitStack() as stack:
        with program(runtime, "shop") as running:
            process = await stack.enter_async_context(watching(running, 2))
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert err.startswith(b"actorpar top: ")
        assert err.count(b"\n") == 1


@pytest.mark.may_block  # until the program has started
async def test_ctrl_c_leaves_the_live_picture(runtime: Path) -> None:
    with program(runtime, "shop") as running:
        async with watching(running, 1) as process:
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.wait_for(process.communicate(), 30)
            assert (process.returncode, err) == (0, b"")


# -- what it makes of snapshots


def snapshot(clock: float, *actors: tuple[Any, ...], **fields: Any) -> SystemSnapshot:
    """A snapshot with actors of (number, parent, name, handled) and perhaps more fields."""
    rows = [
        {
            "number": number, "parent": parent, "name": name, "handled": handled, "kind": "Desk", "state": "idle",
            "mailbox": number, "capacity": 10, "in_hand": [], "restarts": None, "suspended": False, "children": 0,
            "links": 0, "monitors": 0, "timers": 0,
        }
        for number, parent, name, handled in actors
    ]  # fmt: skip
    counters = dict.fromkeys(["spawned", "ended", "crashed", "restarted", "inlined", "handled"], 0)
    counters["handled"] = sum(actor[3] for actor in actors)
    made = {
        "clock": clock, "system": "shop", "pid": 1, "alive": len(rows), "left_out": 0, "queued": 0, "handlers": 0,
        "counters": counters, "dead_letters": {}, "actors": rows, "waits": [], "suspects": [], "nodes": [],
        "devices": [], **fields,
    }  # fmt: skip
    return cast(SystemSnapshot, made)


FAMILY = ((1, 0, "a", 0), (2, 0, "b", 0), (3, 1, "a1", 0), (4, 3, "a1x", 0), (5, 99, "orphan", 0))


def test_children_stand_indented_below_their_parents_and_orphans_at_the_top() -> None:
    told = [row.cells[0] for row in view.rows(snapshot(0, *FAMILY), None)]
    assert told == ["a", "  a1", "    a1x", "b", "orphan"]


def test_a_rate_is_the_difference_of_two_snapshots() -> None:
    before = snapshot(10.0, (1, 0, "a", 100), (2, 0, "b", 7))
    now = snapshot(12.0, (1, 0, "a", 300), (2, 0, "b", 7), (3, 0, "new", 50))
    assert [row.cells[5] for row in view.rows(now, before)] == ["100", "0", "25"]
    assert [row.cells[5] for row in view.rows(now, None)] == ["-", "-", "-"]
    assert [row.cells[0] for row in view.rows(now, before, "rate")] == ["a", "new", "b"]
    assert "messages 357 (125/s)" in view.headline(now, before)[1]


def test_sorted_by_mailbox_the_fullest_comes_first_and_nothing_is_indented() -> None:
    told = [row.cells[0] for row in view.rows(snapshot(0, *FAMILY), None, "mailbox")]
    assert told == ["orphan", "a1x", "a1", "b", "a"]


def test_what_is_left_out_is_counted() -> None:
    waits = [
        {"who": f"w{n}", "does": "receive", "on": "orders", "seconds": None, "others": ["a", "b"]} for n in range(20)
    ]
    lines = view.footlines(snapshot(0, left_out=7, waits=waits, suspects=[["a", "b"]]), cut=3)
    assert lines[0] == "… and 10 more actors"
    assert lines[1] == "DEADLOCK? a -> b -> a"
    assert lines[2] == "w0 waits to receive on orders, which a and b has"
    assert lines[-1] == f"… and {20 - view.WAITS} more that wait"
    assert len(lines) == 3 + view.WAITS


def test_the_picture_for_a_terminal_fits_it(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    many = snapshot(0, *((n, 0, f"desk-{n}", n) for n in range(1, 200)), suspects=[["a", "b"]])
    console = Console(width=100, height=20, force_terminal=True)
    with console.capture() as capture:
        console.print(view.as_table(many, None, "tree", 20, 100))
    drawn = capture.get().splitlines()
    assert len(drawn) <= 20
    assert "desk-1" in capture.get()
    assert any("more actors" in line for line in drawn)
    assert any("DEADLOCK? a -> b -> a" in line for line in drawn)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12 ms"), (1.25, "1.2 s"), (119.0, "119.0 s"), (4000.0, "4000 s")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
