"""The plugin in a suite of somebody else, run by a pytest of its own, in both modes of pytest-asyncio."""

from __future__ import annotations

from pathlib import Path

import pytest

from .outcomes import Outcome, outcomes

SUITE = Path(__file__).with_name("suite.py").read_text("utf-8")

#: What each test that leaves something is told.
TOLD = {
    "test_leaves_a_process_that_nobody_wakes": [
        "the process consumer waits to receive from numbers",
        "it was cancelled",
    ],
    "test_leaves_an_actor_that_does_not_stop": ["stayer, an actor that did not stop within 2.0 s and was killed"],
    "test_leaves_the_failure_of_a_process": ["ValueError: nobody awaits this"],
    "test_leaves_a_system_that_was_not_left": ["forgotten, a system whose block was not left", "actors counter"],
    "test_leaves_a_task": ["the task sleeper waits at"],
    "test_leaves_a_timer": ["the timer <TimerHandle", "print(", "due in 3.6e+03 s"],
    "test_leaves_a_thread_safe_handle": ["a thread-safe handle of numbers, which is open"],
    "test_leaves_a_socket": ["the open file", "socket:["],
}
#: What each test that fails by itself says.
FAILED = {
    "test_fails_and_leaves_a_task_that_is_no_news": "the failure of the test",
    "test_fails_where_it_would_wait_for_ever": "Deadlock",
}


@pytest.fixture(scope="module", params=["auto", "strict"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """How the tests of suite.py come out."""
    mode = request.param
    ini = f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    return outcomes(tmp_path_factory.mktemp(mode), SUITE, ini, "--strict-markers")


@pytest.mark.parametrize("name", TOLD)
def test_what_a_test_leaves_is_named_behind_it(results: dict[str, Outcome], name: str) -> None:
    assert results[name].failed == ""
    assert [words for words in TOLD[name] if words not in results[name].error] == []


@pytest.mark.parametrize("name", FAILED)
def test_a_test_that_fails_is_told_nothing_else(results: dict[str, Outcome], name: str) -> None:
    assert FAILED[name] in results[name].failed
    assert results[name].error == ""


def test_every_other_test_passes(results: dict[str, Outcome]) -> None:
    others = {name: outcome for name, outcome in results.items() if name not in TOLD and name not in FAILED}
    assert len(others) >= 11
    assert {name: outcome for name, outcome in others.items() if outcome != ("", "")} == {}


def test_a_test_in_virtual_time_keeps_its_name(results: dict[str, Outcome]) -> None:
    assert {"test_an_hour_takes_no_time", "test_virtual_time_reaches_parametrized_methods[1]"} <= set(results)


PLAIN = """
import sys

def test_nothing_of_the_library_is_loaded():
    assert [name for name in sys.modules if name.startswith(("actorpar.channels", "actorpar.actors"))] == []
"""


def test_a_suite_that_does_not_use_the_plugin_loads_nothing_of_the_library(tmp_path: Path) -> None:
    found = outcomes(tmp_path, PLAIN, "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    assert found == {"test_nothing_of_the_library_is_loaded": Outcome("", "")}


LOOPS = """
import asyncio

def pytest_asyncio_loop_factories(config, item):
    return {"one": asyncio.new_event_loop, "two": asyncio.new_event_loop}
"""
LOOPED = """
import asyncio
import pytest

async def test_real(): ...

@pytest.mark.virtual_time
async def test_virtual():
    assert type(asyncio.get_running_loop()).__name__ == "VirtualClock"
"""


def test_the_event_loops_that_a_suite_chose_stay_its_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(LOOPS, "utf-8")
    found = outcomes(tmp_path, LOOPED, "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    assert found == dict.fromkeys(["test_real[one]", "test_real[two]", "test_virtual"], Outcome("", ""))


MARKED = """
import pytest

@pytest.mark.virtual_time
def test_marked(): ...
"""


def test_virtual_time_without_pytest_asyncio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"test_marked is marked virtual_time, which needs pytest-asyncio 1\.4"):
        outcomes(tmp_path, MARKED, "", "-p", "no:asyncio")
