"""What an item becomes when it is sent: ends in it move (NET-20); in tests, what a link would make of it (CH-14)."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable
from typing import Any

from .. import env


class CodecBuffer(collections.deque[Any]):
    """A buffer whose items pass through a codec on their way in."""

    def __init__(self, codec: Callable[[Any], Any]) -> None:
        super().__init__()
        self.codec = codec

    def append(self, item: Any, /) -> None:
        super().append(self.codec(item))

    def extend(self, items: Iterable[Any], /) -> None:
        super().extend([self.codec(item) for item in items])


def codec_of(declared: Any) -> Callable[[Any], Any] | None:
    """What items of a declared type become when they are sent; None: they stay what they are."""
    if env.codec is not None or declared is Any:
        return env.codec
    from ..carrying import mover_of  # it knows the ends, which know the flavours

    return mover_of(declared)


def close_ends(item: Any) -> None:
    """Nobody will receive this item: close the ends in it."""
    from ..carrying import close_ends

    close_ends(item)
