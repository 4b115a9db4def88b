"""Tests on both event loops: each `async def` becomes one test for asyncio's loop and one for uvloop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

#: Seconds that one test may take.
PATIENCE = 20.0


def on_both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run the test on asyncio's loop, and on uvloop; it fails after PATIENCE."""

    def both(*, loop_factory: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await test(**arguments)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(bounded())

    parameters = [
        *inspect.signature(test).parameters.values(),
        inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY),
    ]
    both.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    both.__name__, both.__doc__, both.__module__ = test.__name__, test.__doc__, test.__module__
    factories = [asyncio.new_event_loop, uvloop.new_event_loop]
    parametrize = pytest.mark.parametrize("loop_factory", factories, ids=["asyncio", "uvloop"])
    run: Callable[..., None] = parametrize(both)
    return run
