"""Text of strangers, made fit for logs and terminals: one line, nothing invisible, bounded (A16).

Names of processes, arguments of messages and texts of errors come from anywhere. A newline in them would forge a log
line, an escape sequence would rewrite a terminal, a mark for right-to-left would show a name as another.
"""

from __future__ import annotations

import reprlib
from typing import Final

#: Characters of a value that are shown.
SHOWN: Final = 200

_shortening = reprlib.Repr()
_shortening.maxstring = _shortening.maxother = _shortening.maxlong = 60


def printable(text: str, limit: int = SHOWN) -> str:
    """At most `limit` characters of the text, those that are not printable written as escapes."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object, limit: int = SHOWN) -> str:
    """The shortened `repr` of a value, printable; what a `repr` raises, which is the user's code, is told instead."""
    try:
        text = _shortening.repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return printable(text, limit)


def call_shown(args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    """The arguments of a call as they would stand in its parentheses."""
    parts = [shown(arg) for arg in args] + [f"{name}={shown(value)}" for name, value in kwargs.items()]
    return printable(", ".join(parts))


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 120 else f"{seconds:.0f} s"


def bytes_text(count: float) -> str:
    """A number of bytes for people."""
    size, unit = count, "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 99.5 or unit == "B" else f"{size:.1f} {unit}"
