"""Each test runs on the default loop and on uvloop, its goroutines as processes and then as ordinary tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

import actorpar as ap
from actorpar.channels import env

#: Seconds after which a test hangs.
HANGS = 30

#: Starts a coroutine function with arguments side by side, as `go f(x)` does; ends among them stay the caller's.
Go = Callable[..., asyncio.Future[Any]]
Program = Callable[[Go], Coroutine[Any, Any, None]]
Run = Callable[[Program], None]


@pytest.fixture(params=["default", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return asyncio.new_event_loop if request.param == "default" else uvloop.new_event_loop


@pytest.fixture(params=["processes", "tasks"])
def run(
    request: pytest.FixtureRequest,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """Run a program to its end: all that it started has ended, too."""
    monkeypatch.setattr(env, "plain_tasks", request.param == "tasks")
    env.random.seed(1989)

    def run_program(program: Program) -> None:
        async def main() -> None:
            async with asyncio.timeout(HANGS), ap.ProcessGroup("program") as group:

                def go(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> asyncio.Future[Any]:
                    return group.adopt(function(*args), name=function.__name__)

                await program(go)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    yield run_program
    env.random.seed()
