"""What a pipeline gives: its results, one after the other, or its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..channels.errors import ChannelAborted, EndOfChannel
from ..channels.receiver import Receiver
from .view import View

if TYPE_CHECKING:
    from .pipeline import Pipeline

T_co = TypeVar("T_co", covariant=True)


class Results(Generic[T_co]):
    """The results of a pipeline, an async iterator; valid inside the block of the pipeline.

    What the pipeline failed with is raised as it is, after the results that were ready then; never does a stream that
    was cut off look complete. Cancelled, an operation has taken nothing (CH-52). Several tasks may share it: each
    result goes to one of them.
    """

    __slots__ = ("_pipeline", "_rx")

    def __init__(self, pipeline: Pipeline[T_co], rx: Receiver[Any]) -> None:
        self._pipeline = pipeline
        self._rx = rx

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        try:
            return await self._rx.__anext__()  # type: ignore[no-any-return]
        except ChannelAborted:
            pass
        raise self._pipeline.tell_failure()  # not in the handler, or it would stand in its own context

    async def receive(self) -> T_co:
        """Wait for the next result; raises EndOfChannel after the last one, and ChannelClosed outside of the block."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise EndOfChannel("the pipeline has given all its results") from None

    async def receive_many(self, most: int) -> list[T_co]:
        """Wait for one result, and take with it what else is ready, `most` in all; raises as `receive` does."""
        try:
            return await self._rx.receive_many(most)
        except ChannelAborted:
            pass
        raise self._pipeline.tell_failure()

    def view(self) -> View:
        """Where the pipeline waits now: a snapshot of its stages, and which of them sets the pace."""
        return self._pipeline.view()
