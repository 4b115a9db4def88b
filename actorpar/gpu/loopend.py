"""What is to be done when an event loop ends, on its own thread: there is no hook for that but one.

A loop closes the asynchronous generators that were begun on it before it ends (asyncio.run, uvloop, pytest-asyncio and
`ap.run` all have it do so), and with them one of ours, which does nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Final

#: The generators that have begun, for a loop has only weak references to them; by what they are to call.
_BEGUN: Final[dict[Callable[[], object], AsyncGenerator[None]]] = {}


def at_end_of_loop(call: Callable[[], object]) -> None:
    """Have `call` called when the running loop ends; in which order of several is not said."""
    generator = _BEGUN[call] = _until_the_end(call)
    try:
        generator.__anext__().send(None)
    except StopIteration:
        pass


async def _until_the_end(call: Callable[[], object]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        _BEGUN.pop(call, None)
        call()
