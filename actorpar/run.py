"""Run a program's main coroutine: the event loop, Ctrl-C, and the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def run(main: Callable[[], Coroutine[Any, Any, R]], *, uvloop: bool | None = None, debug: bool | None = None) -> R:
    """Run `main()` in a new event loop and return its result.

    uvloop is used where it is installed, unless `uvloop=False`; `uvloop=True` fails where it is not. The first Ctrl-C
    cancels `main`, whose blocks then end their processes in order, and raises KeyboardInterrupt; a second one stops
    at once.
    """
    with asyncio.Runner(debug=debug, loop_factory=_loop_factory(uvloop)) as runner:
        return runner.run(main())


def _loop_factory(wanted: bool | None) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if wanted is False:
        return None
    try:
        import uvloop
    except ImportError:
        if wanted:
            raise
        return None
    return uvloop.new_event_loop
