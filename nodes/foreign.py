"""Texts of other nodes, before they reach a log or a screen (A16): one line, printable, of a bounded length."""

from __future__ import annotations

from typing import Final

#: Characters of a text that are kept.
LONGEST: Final = 500


def one_line(text: str) -> str:
    """The text with everything that is not printable escaped, cut to LONGEST characters."""
    line = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:LONGEST])
    return line if len(line) <= LONGEST and len(text) <= LONGEST else line[: LONGEST - 1] + "…"
