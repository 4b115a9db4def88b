"""Run a program's main coroutine: the event loop, Ctrl-C and SIGTERM, and the way out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

from .channels.errors import WrongLoop

R = TypeVar("R")

#: Signals that end the program, each with the handler that it must have for `run` to take it over.
_SIGNALS: Final = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))


class Terminated(SystemExit):
    """The program was told to end by SIGTERM, and its blocks have ended. The exit status is 143, 128 + SIGTERM.

    That is the number that a shell shows for a program that SIGTERM killed: whoever runs it sees that its work was
    cut short. A program for which that is no failure catches it around `run`, as `actorpar.web.serve` does.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def run(main: Callable[[], Coroutine[Any, Any, R]], *, uvloop: bool | None = None, debug: bool | None = None) -> R:
    """Run `main()` in a new event loop and return its result.

    uvloop is used where it is installed, unless `uvloop=False`; `uvloop=True` fails where it is not. The first Ctrl-C
    or SIGTERM cancels `main`, whose blocks then end their processes and actors in order, and KeyboardInterrupt or
    Terminated is raised, the latter with exit status 143; a second one kills the program at once, even if a thread
    hangs. A `main` that returns all the same has the last word: its result is returned.
    """
    return run_or(main, lambda _: None, uvloop=uvloop, debug=debug)


def run_or(
    main: Callable[[], Coroutine[Any, Any, R]],
    failed: Callable[[BaseException], object],
    *,
    uvloop: bool | None = None,
    debug: bool | None = None,
) -> R:
    """`run`, which tells `failed` of a failure before it ends what the program has begun.

    That is what `main` raises, or a SystemExit of another task or process, and nothing that a signal has asked for.
    """
    if not callable(main):
        main.close()
        raise TypeError("ap.run takes the function, not its coroutine: write ap.run(main), not ap.run(main())")
    if asyncio._get_running_loop() is not None:
        raise WrongLoop("an event loop is running here already: await main() instead of ap.run(main)")
    with asyncio.Runner(debug=debug, loop_factory=_loop_factory(uvloop)) as runner:
        signals = _Signals(runner.get_loop())
        with signals:
            try:
                return runner.run(signals.watch(main))
            except asyncio.CancelledError:
                if signals.came == signal.SIGINT:
                    raise KeyboardInterrupt from None
                if signals.came == signal.SIGTERM:
                    raise Terminated from None
                raise
            except BaseException as failure:
                failed(failure)
                raise


class _Signals:
    """Turns the first SIGINT or SIGTERM into a cancellation of the main task, and leaves the second to the system.

    asyncio.Runner has a handler of its own for SIGINT, whose second signal waits for threads that may hang; it stands
    back when it finds another one. Outside the main thread nothing is changed, nor for a signal that the program
    handles itself or that it was started to ignore.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.came: int | None = None
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._taken: dict[signal.Signals, Any] = {}

    async def watch(self, main: Callable[[], Coroutine[Any, Any, R]]) -> R:
        self._task = asyncio.current_task()
        return await main()

    def __enter__(self) -> None:
        for number, handler in _SIGNALS:
            if signal.getsignal(number) is handler:
                try:
                    signal.signal(number, self._first)
                except ValueError:  # signals belong to the main thread
                    return
                self._taken[number] = handler

    def __exit__(self, *_: object) -> None:
        for number, handler in self._taken.items():
            signal.signal(number, handler)

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        for taken in self._taken:
            signal.signal(taken, signal.SIG_DFL)
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
