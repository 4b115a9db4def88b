"""The fixtures of the pytest plugin. They run on the event loop that pytest-asyncio made for the test function.

A fixture is set up and torn down in tasks of its own, so nothing here may belong to a task: the system's block is
entered in one and left in another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, TypeVar

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from actorpar.actors.actor import Actor
    from actorpar.system import ActorSystem

    from .probe import OpenProbe, Probe
    from .virtual import VirtualClock

A = TypeVar("A", bound="Actor")

_FAILED = pytest.StashKey[bool]()


@pytest_asyncio.fixture
async def actor_system(request: pytest.FixtureRequest) -> AsyncIterator[ActorSystem]:
    """An ActorSystem, entered for the test and left behind it; nothing may be left over then.

    See `actorpar.testing.running_system`. After a test that failed nothing is checked.
    """
    from .running import running_system

    with contextlib.suppress(_Excused):
        async with running_system(request.node.name) as system:
            yield system
            _excuse(request)


@pytest_asyncio.fixture
async def leak_check(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fails a test that leaves an actor, process, task, timer, thread-safe handle or open file behind.

    See `actorpar.testing.no_leaks`. For a whole suite: `pytestmark = pytest.mark.usefixtures("leak_check")`.
    """
    from .leaks import no_leaks

    with contextlib.suppress(_Excused):
        async with no_leaks():
            yield
            _excuse(request)


@pytest_asyncio.fixture
async def probe(actor_system: ActorSystem) -> OpenProbe:
    """Opens probes, actors that record what they are told: `room = await probe(Room)`, then `await room.expect(…)`."""
    from .probe import open_probe

    async def open_one(cls: type[A], /, *, name: str | None = None) -> Probe[A]:
        return await open_probe(actor_system, cls, name=name)

    return open_one


@pytest_asyncio.fixture
async def virtual_clock() -> VirtualClock:
    """The clock of the test, which runs in virtual time; `advance(seconds)` moves it, `time()` reads it."""
    from .virtual import VirtualClock

    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualClock):
        pytest.fail(f"the event loop of this test is {loop!r}: virtual_clock is for tests that are `async def`")
    return loop


# -- virtual time


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Have pytest-asyncio ask for event loops while it looks at a test in virtual time.

    Only then: as soon as anybody answers that hook, every test of the suite needs an answer.
    """
    virtual = "virtual_clock" in metafunc.fixturenames or metafunc.definition.get_closest_marker("virtual_time")
    if not virtual:
        return (yield)
    plugins = metafunc.config.pluginmanager
    answer = _VirtualLoops()
    plugins.register(answer)
    try:
        return (yield)
    finally:
        plugins.unregister(answer)


class _VirtualLoops:
    @pytest.hookimpl(tryfirst=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        from .virtual import VirtualClock

        return {"virtual": VirtualClock}


# -- tests that may leave something


class _Excused(Exception):  # ends a block whose leaks are nobody's concern
    pass


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember that a test failed: what it left behind then is no news."""
    if call.excinfo is not None:
        item.stash[_FAILED] = True


def _excuse(request: pytest.FixtureRequest) -> None:
    if request.node.stash.get(_FAILED, False) or request.node.get_closest_marker("may_leak") is not None:
        raise _Excused
