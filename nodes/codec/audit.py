"""No pickle on a link: a node that has started takes note of every class that pickle looks up, and of every marshal.

Python calls audit hooks at both (PEP 578). The hook cannot be removed, and it does not refuse: a program may unpickle
its own files. What was noted tells that no link did; where something of the program needs pickle while that is looked
at, as multiprocessing does at the start of a child, it is done inside `allowed`.
"""

from __future__ import annotations

import collections
import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

WATCHED: Final = frozenset({"pickle.find_class", "marshal.loads"})

#: What was noted last, since the hook was set and outside of `allowed`: the event, and the line that caused it.
events: collections.deque[str] = collections.deque(maxlen=1000)
#: How often, of each.
counts: collections.Counter[str] = collections.Counter()
_state = {"installed": False, "allowed": 0}


def install() -> None:
    """Begin to watch this process; once is enough."""
    if not _state["installed"]:
        _state["installed"] = True
        sys.addaudithook(_hook)


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """What is done inside may unpickle."""
    _state["allowed"] += 1
    try:
        yield
    finally:
        _state["allowed"] -= 1


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event not in WATCHED or _state["allowed"]:
        return
    frame = sys._getframe(1)
    if event == "marshal.loads":
        if _is_importing(frame):
            return
        args = ()
    counts[event] += 1
    events.append(f"{event} {'.'.join(map(str, args))} at {frame.f_code.co_filename}:{frame.f_lineno}")


def _is_importing(frame: FrameType | None) -> bool:
    """True while a module is imported, which loads its code by marshal."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
