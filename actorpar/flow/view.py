"""Where a pipeline waits: a snapshot of its stages, and the table of it for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: What `View.bottleneck` says where no stage is to blame.
SOURCE, CONSUMER = "source", "consumer"


class StageView(NamedTuple):
    """One stage at one moment. Each worker is counted once: it is busy, or it waits for one of three things."""

    #: The name of the stage.
    name: str
    #: Workers that have not ended.
    workers: int
    #: Workers that have an item in hand and work on it; pauses before another attempt are work, too.
    busy: int
    #: Workers that wait for an item: what comes before this stage is slower.
    no_input: int
    #: Workers that wait for room in the channel behind the stage: what comes after this stage is slower.
    no_room: int
    #: Workers that wait because the window is full: an earlier item takes long, and order has to be kept.
    in_order: int
    #: Items on which the function succeeded.
    done: int
    #: Items on which it failed for good, the skipped ones included.
    failed: int
    #: Attempts after the first one.
    retried: int
    #: Items that were left out.
    skipped: int
    #: Items in the channel before the stage.
    queued: int
    #: How many fit there; None where there is no channel, for the stage pulls its items itself.
    capacity: float | None
    #: Mean seconds from taking an item to its result, over all items done or skipped; 0.0 before the first.
    seconds: float


class View(NamedTuple):
    """A whole pipeline at one moment; `str()` of it is a table."""

    #: The stages, in order.
    stages: tuple[StageView, ...]
    #: Results that nobody took yet.
    queued: int
    #: How many results fit there.
    capacity: float
    #: Who sets the pace now: the name of a stage, "source", "consumer", or None when nothing runs.
    bottleneck: str | None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def bottleneck(stages: tuple[StageView, ...]) -> str | None:
    """Who sets the pace: seen from the consumer, the first stage that has no idle worker.

    If the last stage waits for room, that is the consumer; if every stage waits for items, the source.
    """
    if all(stage.workers == 0 for stage in stages):
        return None
    if stages[-1].no_room:
        return CONSUMER
    for stage in reversed(stages):
        if not stage.no_input:
            return stage.name
    return SOURCE


_HEADINGS = (
    "stage", "workers", "busy", "no input", "no room", "in order", "done", "failed", "retried", "skipped", "queue",
    "per item",
)  # fmt: skip


def _lines(view: View) -> Iterable[str]:
    rows = [_HEADINGS]
    for stage in view.stages:
        queue = "-" if stage.capacity is None else f"{stage.queued}/{stage.capacity}"
        counts = (stage.workers, stage.busy, stage.no_input, stage.no_room, stage.in_order)
        outcomes = (stage.done, stage.failed, stage.retried, stage.skipped)
        rows.append((stage.name, *map(str, counts + outcomes), queue, _duration(stage.seconds)))  # type: ignore[arg-type]
    rows.append(("(results)", *[""] * 9, f"{view.queued}/{view.capacity}", ""))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([row[0].ljust(len(first)), *others]).rstrip()
    if view.bottleneck is not None:
        yield f"bottleneck: {view.bottleneck}"


def _duration(seconds: float) -> str:
    if not seconds:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError
