"""What is compared with what.

A case is one contestant in one shape: a trial that moves n items on a fresh event loop and gives a sample. A group is
the cases compared with each other: same shape, same number of items, alternating in one process.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .measure import Sample

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Trial = Callable[[int, LoopFactory], Sample]
Body = Callable[[int], Awaitable[Sample]]

ROOT = Path(__file__).resolve().parents[2]  # of the checkout: the folder that helper programs are started in

DEFAULT, UVLOOP, NO_LOOP = "default", "uvloop", "-"
BOTH_LOOPS = (DEFAULT, UVLOOP)


@dataclass(frozen=True)
class Case:
    """One contestant. `needs` names the modules it imports beyond the standard library."""

    name: str
    trial: Trial
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Cases of one shape, the first of which is the base of the ratios.

    `items` is the number of items of one sample, `least` the smallest number that still makes sense; `around(items)` is
    held open while the group runs (a server to download from).
    """

    name: str
    what: str
    items: int
    cases: tuple[Case, ...]
    unit: str = "ns"
    least: int = 1
    loops: tuple[str, ...] = BOTH_LOOPS
    around: Callable[[int], AbstractContextManager[Any]] = field(default=lambda items: nullcontext())

    def scaled(self, scale: float) -> int:
        """The number of items at this scale, a multiple of `least`."""
        return max(self.least, int(self.items * scale) // self.least * self.least)


def on_asyncio(body: Body) -> Trial:
    """Run the body on a fresh loop of the kind being measured."""

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        async def main() -> Sample:
            return await body(items)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return trial


def on_trio(body: Body) -> Trial:
    """Run the body on trio, which brings its own loop: the kind asked for makes no difference."""

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        async def main() -> Sample:
            return await body(items)

        sample: Sample = peer("trio").run(main)
        return sample

    return trial


def peer(module: str) -> Any:
    """An optional library by name, so that neither the bench nor a type checker needs all of them installed."""
    return importlib.import_module(module)


def loop_factory(kind: str) -> LoopFactory:
    """The loop of that kind; ImportError where uvloop is not installed."""
    if kind == UVLOOP:
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop
