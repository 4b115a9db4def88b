"""No pickle on a link: a node that has started is told of every class that pickle looks up, and of every marshal.

Python calls audit hooks at both (PEP 578). The hook cannot be removed; where something of the program itself needs
pickle, as multiprocessing does at the start of a child, it is done inside `allowed`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

#: Events of this process since the hook was set, outside of `allowed`.
events: list[str] = []
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
    if event == "pickle.find_class" and not _state["allowed"]:
        events.append(f"{event} {args}")
    elif event == "marshal.loads" and not _state["allowed"] and not _importing():
        events.append(event)


def _importing() -> bool:
    """True while a module is imported, which loads its code by marshal."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
