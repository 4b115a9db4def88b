"""`ap.run` and SIGTERM, in programs of their own: blocks end in order, under a deadline, and a second one kills."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap

from .test_running_programs import LOOPS, Program


@pytest.fixture(autouse=True)
def engine() -> str:
    """One engine is enough: nothing here depends on it."""
    return "run queue"


@pytest.fixture
def programs() -> Iterator[Any]:
    """Starts programs, and leaves none behind."""
    started: list[Program] = []

    def start(source: str, loop: str = "uvloop") -> Program:
        started.append(Program(source, loop))
        return started[-1]

    yield start
    for program in started:
        if program.child.poll() is None:
            program.child.kill()
        program.child.communicate()


TWO_ACTORS = """
class Shop(ap.Actor):
    def __init__(self, name):
        self.name = name
    def on_stop(self, reason):
        print(self.name, "closed:", reason)
"""


@LOOPS
def test_ac_61_sigterm_stops_the_actors_in_reverse_start_order_and_the_status_is_143(programs: Any, loop: str) -> None:
    program = programs(
        TWO_ACTORS
        + """
async def main():
    async with ap.ActorSystem() as system:
        for name in "bakery", "butcher":
            await system.spawn(Shop, name)
        print("ready")
        await asyncio.get_running_loop().create_future()
        """,
        loop,
    )
    assert program.line() == "ready"
    program.child.send_signal(signal.SIGTERM)
    out, err, status = program.end()
    assert out == ["butcher closed: shutdown", "bakery closed: shutdown"]
    assert (err, status) == ("", 128 + signal.SIGTERM)


@LOOPS
def test_ac_61_what_does_not_stop_in_time_after_sigterm_is_killed_and_named(programs: Any, loop: str) -> None:
    program = programs(
        TWO_ACTORS
        + """
class Stuck(ap.Actor):
    async def on_stop(self, reason):
        await asyncio.get_running_loop().create_future()

async def main():
    system = ap.ActorSystem("town", shutdown=0.2)
    try:
        async with system:
            await system.spawn(Shop, "bakery", name="shop:bakery")
            await system.spawn(Stuck, name="stuck")
            print("ready")
            await asyncio.get_running_loop().create_future()
    finally:
        print(system.killed)
        """,
        loop,
    )
    assert program.line() == "ready"
    program.child.send_signal(signal.SIGTERM)
    out, err, status = program.end()
    assert out == ["('stuck', 'shop:bakery')"]
    assert err == "town: 2 actors did not stop in time and were killed: stuck, shop:bakery\n"
    assert status == 128 + signal.SIGTERM


@LOOPS
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_kills_a_program_that_does_not_drain(programs: Any, loop: str, second: signal.Signals) -> None:
    program = programs(
        """
        async def main():
            work = asyncio.ensure_future(asyncio.to_thread(time.sleep, 60))
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
    program.child.send_signal(signal.SIGTERM)
    assert program.line() == "draining"
    program.child.send_signal(second)
    assert program.end()[::2] == ([], -second)


def test_a_main_that_returns_after_sigterm_has_the_last_word(programs: Any) -> None:
    program = programs(
        """
        async def main():
            try:
                print("ready")
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("saved")
        """
    )
    assert program.line() == "ready"
    program.child.send_signal(signal.SIGTERM)
    assert program.end() == (["saved"], "", 0)


def test_a_failure_while_main_drains_is_shown_and_not_hidden_by_the_signal(programs: Any) -> None:
    program = programs(
        """
        async def main():
            try:
                print("ready")
                await asyncio.sleep(60)
            finally:
                raise LookupError("no disk to save to")
        """
    )
    assert program.line() == "ready"
    program.child.send_signal(signal.SIGTERM)
    out, err, status = program.end()
    assert (out, status) == ([], 1)
    assert err.rstrip().endswith("LookupError: no disk to save to")


def test_a_program_that_handles_sigterm_itself_is_left_alone(programs: Any) -> None:
    program = programs(
        """
        import signal
        signal.signal(signal.SIGTERM, lambda *_: print("mine") or sys.exit(7))
        async def main():
            print("ready")
            await asyncio.sleep(60)
        """
    )
    assert program.line() == "ready"
    program.child.send_signal(signal.SIGTERM)
    out, _, status = program.end()
    assert (out, status) == (["mine"], 7)


def test_run_leaves_the_handler_of_sigterm_as_it_was() -> None:
    async def main() -> Any:
        return signal.getsignal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    assert ap.run(main) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_terminated_is_an_exit_with_the_status_that_a_shell_would_show() -> None:
    ended = ap.Terminated()
    assert isinstance(ended, SystemExit)
    assert ended.code == 143


def test_no_module_of_the_package_hides_a_public_name_once_it_is_imported() -> None:
    package = Path(ap.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} | {path.name for path in package.iterdir() if path.is_dir()}
    assert modules & set(ap.__all__) == set()
