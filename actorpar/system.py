"""The system: everything a program runs, started and ended in one block."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from .channels.group import ProcessGroup
from .channels.process import Process

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class _SystemGroup(ProcessGroup):
    """A group in which whoever awaits a process takes charge of its failure."""

    def is_handled(self, process: Process[Any]) -> bool:
        return process.awaited


class ActorSystem:
    """`async with ActorSystem() as system:` starts processes and, when the block is left, waits for them.

    An exception in the block cancels all processes. A process that fails while nobody awaits it ends the block with
    its exception; one that somebody awaits fails there.
    """

    def __init__(self, name: str = "system") -> None:
        self.name = name
        self._group = _SystemGroup(name)

    async def spawn(
        self,
        target: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        name: str | None = None,
        propagate: bool = False,
    ) -> Process[R]:
        """Start `target(*args)` as a process and return it; await it for its result.

        Ends among the arguments move to the process, as `ProcessGroup.spawn` tells.
        """
        return self._group.spawn(target, *args, name=name, propagate=propagate)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, exc, tb)
