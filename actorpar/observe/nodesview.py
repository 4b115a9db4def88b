"""The nodes of a system, side by side: unlike machines too."""

from __future__ import annotations

from typing import Final

from .snapshot import NodeRow, SystemSnapshot

#: column -> how it is aligned
COLUMNS: Final = {
    "node": "left",
    "state": "left",
    "cores": "right",
    "load": "right",
    "cpu": "right",
    "memory": "right",
    "lag": "right",
    "heard": "right",
    "actors": "right",
    "msgs/s": "right",
    "sent": "right",
    "received": "right",
    "python": "left",
    "host": "left",
}
STYLES: Final = {"silent": "bold red", "stalled": "bold yellow"}


def node_rows(now: SystemSnapshot, before: SystemSnapshot | None) -> list[tuple[str, ...]]:
    """The cells of a line for each node."""
    known = {(row["name"], row["pid"]): row for row in before["nodes"]} if before is not None else {}
    return [_cells(row, known.get((row["name"], row["pid"]))) for row in now["nodes"]]


def _cells(row: NodeRow, before: NodeRow | None) -> tuple[str, ...]:
    return (
        row["name"],
        row["state"],
        str(row["cores"]),
        _text(row["load"], "{:.1f}"),
        _per_second(row, before, "cpu", "{:.0%}"),
        "-" if row["rss"] is None else size_text(row["rss"]),
        "-" if row["lag"] is None else f"{row['lag'] * 1000:.0f} ms",
        f"{row['silence']:.1f} s",
        _text(row["actors"], "{}"),
        _per_second(row, before, "messages", "{:.0f}"),
        size_text(row["sent"]),
        size_text(row["received"]),
        _text(row["python"], "{}"),
        _text(row["platform"], "{}"),
    )


def _text(value: object, form: str) -> str:
    return "-" if value is None else form.format(value)


def _per_second(row: NodeRow, before: NodeRow | None, what: str, form: str) -> str:
    """By the node's own clock."""
    if before is None or row["clock"] is None or before["clock"] is None or row["clock"] <= before["clock"]:
        return "-"
    change: float = row[what] - before[what]  # type: ignore[literal-required]
    return form.format(change / (row["clock"] - before["clock"]))


def size_text(size: int) -> str:
    """A number of bytes for people."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
