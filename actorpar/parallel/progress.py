"""A bar that tells how far a map has come."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

Advance = Callable[[int], object]


@contextlib.contextmanager
def shown(name: str, items: Any) -> Iterator[Advance]:
    """Show a bar on standard error, if that is a terminal; what is given is called with how many more are done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    total = len(items) if hasattr(items, "__len__") else None
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(name.rpartition(":")[2], total=total)
        yield lambda done: progress.advance(task, done)


@contextlib.contextmanager
def nothing() -> Iterator[Advance]:
    """Show nothing."""
    yield lambda done: None
