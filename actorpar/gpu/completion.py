"""How the end of what a stream was given becomes known."""

from __future__ import annotations


def path() -> str:
    """Which way is active: "C callback", or "threads: " and why."""
    return "threads: the C part is not built"
