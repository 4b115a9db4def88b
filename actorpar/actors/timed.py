"""A reference that asks with another deadline: what `ref.within(seconds)` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .ref import ActorRef, AwayRef

if TYPE_CHECKING:
    from .cell import Cell
    from .threadref import ThreadRef


class Timed(ActorRef[Any]):
    """The same actor as `cell`, and equal to its reference."""

    __slots__ = ("cell", "seconds")

    def __init__(self, cell: Cell, seconds: float | None) -> None:
        if seconds is not None and (not isinstance(seconds, int | float) or not seconds >= 0):
            raise ValueError(f"within takes seconds from 0 on, or None to wait as long as it takes, not {seconds!r}")
        self.cell = cell
        self.seconds = seconds

    @property
    def name(self) -> str:
        return self.cell.name

    def is_alive(self) -> bool:
        return self.cell.is_alive()

    async def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self.cell.ask_within(self.seconds, method, args, kwargs)

    def tell(self, method: Callable[..., object], /, *args: Any, **kwargs: Any) -> bool:
        return self.cell.tell(method, *args, **kwargs)

    async def send(self, method: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        await self.cell.send(method, *args, **kwargs)

    def teller(self, method: Callable[..., object], /) -> Any:
        return self.cell.teller(method)

    def within(self, seconds: float | None) -> ActorRef[Any]:
        return Timed(self.cell, seconds)

    def threadsafe(self) -> ThreadRef[Any]:
        from .threadref import ThreadRef

        return ThreadRef(self.cell, self.seconds)

    def __eq__(self, other: object) -> bool:
        return self.cell is (other.cell if isinstance(other, Timed) else other)

    def __hash__(self) -> int:
        return hash(self.cell)

    def __repr__(self) -> str:
        return repr(self.cell)


def cell_of(ref: object) -> Cell:
    """The cell behind a reference to an actor here; InvalidActor for anything else."""
    from .cell import Cell
    from .errors import InvalidActor

    found = addressee_of(ref)
    if not isinstance(found, Cell):
        raise InvalidActor(f"{ref!r} is an actor of another node: this can be done only there")
    return found


def addressee_of(ref: object) -> Cell | AwayRef[Any]:
    """Whom a reference leads to, here or on another node; InvalidActor for anything else."""
    found = ref.cell if isinstance(ref, Timed) else ref
    if isinstance(found, ActorRef):  # nothing else is a reference; an import would double what this costs
        return found  # type: ignore[return-value]
    from .errors import InvalidActor

    raise InvalidActor(f"{ref!r} is no reference to an actor")
