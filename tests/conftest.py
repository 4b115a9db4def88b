"""What every test is held to: it does not block the event loop, and no process outlives it."""

from __future__ import annotations

import gc
import inspect
import signal
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest

from actorpar.testing import detect_blocking, live_processes

#: Seconds of real time that one callback may keep the loop from everything else. A turn of the run queue takes at most
#: one thousandth of it; the rest is room for machines that are busy with something else.
BLOCKING_LIMIT = 0.5


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: runs on a VirtualClock, where waiting takes no time")
    config.addinivalue_line("markers", "may_block: blocks the event loop on purpose")
    config.addinivalue_line("markers", "may_leave_processes: processes outlive the test on purpose")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell without job control starts background jobs like this, and every program that a test starts would
        # ignore Ctrl-C as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The tests themselves, some thousand objects each, stay: a garbage collection that went through them all would
    keep a loop for half a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    with detect_blocking(BLOCKING_LIMIT) as blocked:
        result = yield
    if blocked and pyfuncitem.get_closest_marker("may_block") is None:
        pytest.fail("\n".join(map(str, blocked)), pytrace=False)
    return result


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> None:
    """Every coroutine test ends with no process alive, fixtures included."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_process_outlives_the_test")


@pytest.fixture
async def no_process_outlives_the_test(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    yield
    alive: list[Any] = live_processes()
    if alive and request.node.get_closest_marker("may_leave_processes") is None:
        pytest.fail(f"alive after the test: {alive}", pytrace=False)
