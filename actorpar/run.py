"""Run a program's main coroutine: the event loop, Ctrl-C, and the way out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from .channels.errors import WrongLoop

R = TypeVar("R")


def run(main: Callable[[], Coroutine[Any, Any, R]], *, uvloop: bool | None = None, debug: bool | None = None) -> R:
    """Run `main()` in a new event loop and return its result.

    uvloop is used where it is installed, unless `uvloop=False`; `uvloop=True` fails where it is not. The first Ctrl-C
    cancels `main`, whose blocks then end their processes in order, and KeyboardInterrupt is raised; a second one kills
    the program at once, even if a thread hangs.
    """
    if not callable(main):
        main.close()
        raise TypeError("ap.run takes the function, not its coroutine: write ap.run(main), not ap.run(main())")
    if asyncio._get_running_loop() is not None:
        raise WrongLoop("an event loop is running here already: await main() instead of ap.run(main)")
    with asyncio.Runner(debug=debug, loop_factory=_loop_factory(uvloop)) as runner:
        interrupt = _Interrupt(runner.get_loop())
        with interrupt:
            try:
                return runner.run(interrupt.watch(main))
            except asyncio.CancelledError:
                if interrupt.came:
                    raise KeyboardInterrupt from None
                raise


class _Interrupt:
    """Turns the first SIGINT into a cancellation of the main task, and leaves the second to the system's default.

    asyncio.Runner has a handler of its own, whose second signal waits for threads that may hang; it stands back when
    it finds another one. Outside the main thread, and where the program handles SIGINT itself, nothing is changed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.came = False
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._installed = False

    async def watch(self, main: Callable[[], Coroutine[Any, Any, R]]) -> R:
        self._task = asyncio.current_task()
        return await main()

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._first)
                self._installed = True
            except ValueError:  # signals belong to the main thread
                pass

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


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
