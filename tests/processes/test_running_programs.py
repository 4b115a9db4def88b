"""`ap.run`: the loop it chooses, what it returns and refuses, and Ctrl-C, in programs of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

import actorpar as ap


@pytest.fixture(autouse=True)
def engine() -> str:
    """One engine is enough: nothing here depends on it."""
    return "run queue"


LOOPS = pytest.mark.parametrize("loop", ["default", "uvloop"])


def test_run_returns_the_result_of_main() -> None:
    async def main() -> int:
        return 42

    assert ap.run(main) == 42


def test_run_raises_what_main_raises() -> None:
    async def main() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        ap.run(main)


def test_a_cancellation_that_main_raises_itself_is_no_ctrl_c() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        ap.run(main)


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_run_uses_uvloop_where_it_is_installed() -> None:
    assert isinstance(ap.run(running_loop), uvloop.Loop)
    assert isinstance(ap.run(running_loop, uvloop=True), uvloop.Loop)


def test_run_uses_the_default_loop_where_uvloop_is_not_wanted() -> None:
    assert not isinstance(ap.run(running_loop, uvloop=False), uvloop.Loop)


def test_run_uses_the_default_loop_where_uvloop_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert isinstance(ap.run(running_loop), asyncio.BaseEventLoop)
    with pytest.raises(ImportError):
        ap.run(running_loop, uvloop=True)


def test_run_closes_its_loop() -> None:
    assert ap.run(running_loop).is_closed()


def test_run_passes_debug_on() -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert ap.run(main, debug=True)
    assert not ap.run(main, debug=False)


async def test_run_inside_a_running_loop_is_refused_before_anything_is_made() -> None:
    made = []

    async def main() -> None:
        pass

    def make() -> Any:
        made.append(main())
        return made[-1]

    with pytest.raises((RuntimeError, ap.WrongLoop)):
        ap.run(make)
    assert made == []


def test_run_takes_the_function_and_says_so() -> None:
    async def main() -> None:
        pass

    with pytest.raises(TypeError, match=r"ap\.run\(main\)"):
        ap.run(main())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_run_leaves_the_signal_handler_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    ap.run(running_loop)
    assert signal.getsignal(signal.SIGINT) is before


class Program:
    """A program in a process of its own; its lines are read one by one."""

    def __init__(self, source: str, loop: str) -> None:
        source = textwrap.dedent(source) + f"\nap.run(main, uvloop={loop == 'uvloop'})\n"
        prelude = "import asyncio, sys, time\nimport actorpar as ap\n"
        self.child = subprocess.Popen(
            [sys.executable, "-c", prelude + source],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def line(self) -> str:
        """The next line it prints; empty at its end."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().rstrip()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.child.send_signal(signal.SIGINT)

    def end(self) -> tuple[list[str], str, int]:
        """Wait for its end: the rest of its lines, its standard error, and its exit status."""
        out, err = self.child.communicate(timeout=20)
        return out.splitlines(), err, self.child.returncode


@pytest.fixture
def programs() -> Iterator[Any]:
    """Starts programs, and leaves none behind."""
    started: list[Program] = []

    def start(source: str, loop: str) -> Program:
        started.append(Program(source, loop))
        return started[-1]

    yield start
    for program in started:
        if program.child.poll() is None:
            program.child.kill()
        program.child.communicate()


@LOOPS
def test_ctrl_c_cancels_main_which_drains(programs: Any, loop: str) -> None:
    program = programs(
        """
        async def produce(tx):
            number = 0
            while True:
                await tx.send(number)
                number += 1
                if number == 10:
                    print("ready")
                await asyncio.sleep(0.001)

        async def main():
            tx, rx = ap.open_channel[int](4)
            received = 0
            try:
                async with ap.ProcessGroup() as group:
                    group.spawn(produce, tx)
                    async for _ in rx:
                        received += 1
            finally:
                await asyncio.sleep(0.01)
                print("drained", received >= 9)
                rx.close()
        """,
        loop,
    )
    assert program.line() == "ready"
    program.interrupt()
    out, err, status = program.end()
    assert out == ["drained True"]
    assert "KeyboardInterrupt" in err
    assert "never awaited" not in err
    assert status in (1, 130, -signal.SIGINT)


@LOOPS
def test_ctrl_c_reaches_a_program_whose_processes_never_wait_for_anything_else(programs: Any, loop: str) -> None:
    program = programs(
        """
        async def spin():
            while True:
                await asyncio.sleep(0)

        async def main():
            try:
                async with ap.ActorSystem() as system:
                    await system.spawn(spin)
                    await system.spawn(spin)
                    await asyncio.sleep(0)
                    print("ready")
            finally:
                print("left")
        """,
        loop,
    )
    assert program.line() == "ready"
    program.interrupt()
    out, err, status = program.end()
    assert out == ["left"]
    assert "KeyboardInterrupt" in err
    assert status != 0


@LOOPS
@pytest.mark.parametrize("hangs_in", ["a coroutine", "a thread"])
def test_a_second_ctrl_c_kills_a_program_that_does_not_drain(programs: Any, loop: str, hangs_in: str) -> None:
    work = "asyncio.to_thread(time.sleep, 60)" if hangs_in == "a thread" else "asyncio.sleep(60)"
    program = programs(
        f"""
        async def main():
            work = asyncio.ensure_future({work})
            print("ready")
            while True:
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    print("draining")
        """,
        loop,
    )
    assert program.line() == "ready"
    program.interrupt()
    assert program.line() == "draining"
    program.interrupt()
    out, _, status = program.end()
    assert out == []
    assert status != 0


@LOOPS
def test_a_program_that_handles_its_ctrl_c_ends_as_it_likes(programs: Any, loop: str) -> None:
    program = programs(
        """
        async def main():
            try:
                print("ready")
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("saved")
        """,
        loop,
    )
    assert program.line() == "ready"
    program.interrupt()
    out, err, status = program.end()
    assert (out, err, status) == (["saved"], "", 0)


@LOOPS
def test_a_program_that_fails_shows_the_traceback_of_its_process(programs: Any, loop: str) -> None:
    program = programs(
        """
        async def worker():
            raise LookupError("not here")

        async def main():
            async with ap.ActorSystem() as system:
                await system.spawn(worker)
        """,
        loop,
    )
    out, err, status = program.end()
    assert (out, status) == ([], 1)
    assert err.rstrip().endswith("LookupError: not here")
    assert "in worker" in err
    assert "runqueue.py" not in err
    assert "never retrieved" not in err


@LOOPS
def test_a_program_that_ends_leaves_nothing_to_complain_about(programs: Any, loop: str) -> None:
    program = programs(
        """
        async def produce(tx):
            for number in range(3):
                await tx.send(number)

        async def main():
            tx, rx = ap.open_channel[int](0)
            async with ap.ActorSystem() as system:
                await system.spawn(produce, tx)
                print([number async for number in rx])
            rx.close()
        """,
        loop,
    )
    assert program.end() == (["[0, 1, 2]"], "", 0)
