"""What `actorpar top` shows of two snapshots of a system: the same rows and lines for a terminal and for plain text.

A rate is the difference of two snapshots of one program. The first picture of a system has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import nodesview
from .snapshot import ActorRow, SystemSnapshot

if TYPE_CHECKING:
    from rich.console import RenderableType

#: column -> how it is aligned
COLUMNS: Final = {
    "actor": "left",
    "class": "left",
    "state": "left",
    "mailbox": "right",
    "full": "right",
    "msgs/s": "right",
    "handled": "right",
    "restarts": "right",
    "in hand": "left",
}
ORDERS: Final = ("tree", "rate", "mailbox")
STYLES: Final = {"busy": "green", "queued": "cyan", "suspended": "bold yellow", "ending": "magenta", "starting": "blue"}
#: How full a mailbox is that stands out.
FULL: Final = 0.8
#: Waits that are shown.
WAITS: Final = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One actor: the cells of its line, and what it is sorted and coloured by."""

    cells: tuple[str, ...]
    state: str
    rate: float
    mailbox: int
    fill: float


def rows(now: SystemSnapshot, before: SystemSnapshot | None, order: str = "tree") -> list[Row]:
    """A row for each actor: parents above their children, indented; or by rate or mailbox, the most first."""
    handled = {row["number"]: row["handled"] for row in before["actors"]} if before is not None else {}
    seconds = now["clock"] - before["clock"] if before is not None else 0.0
    found = [_row(row, depth if order == "tree" else 0, handled, seconds) for row, depth in _tree(now["actors"])]
    if order == "rate":
        found.sort(key=lambda row: -row.rate)
    elif order == "mailbox":
        found.sort(key=lambda row: -row.mailbox)
    return found


def _tree(actors: list[ActorRow]) -> Iterator[tuple[ActorRow, int]]:
    """The actors with their depth; one whose parent was left out stands at the top."""
    known = {row["number"] for row in actors}
    children: dict[int, list[ActorRow]] = {}
    for row in actors:
        children.setdefault(row["parent"] if row["parent"] in known else 0, []).append(row)
    todo = [(row, 0) for row in reversed(children.get(0, []))]
    while todo:
        row, depth = todo.pop()
        yield row, depth
        todo += [(child, depth + 1) for child in reversed(children.get(row["number"], []))]


def _row(row: ActorRow, depth: int, handled: dict[int, int], seconds: float) -> Row:
    new = row["handled"] - handled.get(row["number"], 0)
    rate = new / seconds if seconds > 0 else 0.0
    hands = [
        hand["message"]
        + (f" {seconds_text(hand['seconds'])}" if hand["seconds"] is not None else "")
        + (f" ({hand['place']})" if hand["place"] else "")
        for hand in row["in_hand"]
    ]
    state = row["state"] if not row["suspended"] or row["state"] == "suspended" else f"{row['state']}, to suspend"
    fill = row["mailbox"] / row["capacity"]
    cells = (
        "  " * min(depth, 10) + row["name"],
        row["kind"],
        state,
        str(row["mailbox"]),
        f"{fill:.0%}",
        f"{rate:.0f}" if seconds > 0 else "-",
        str(row["handled"]),
        "-" if row["restarts"] is None else str(row["restarts"]),
        ", ".join(hands),
    )
    return Row(cells, row["state"], rate, row["mailbox"], fill)


def headline(now: SystemSnapshot, before: SystemSnapshot | None) -> list[str]:
    """The lines above the table: who it is, and the counters."""
    counters = now["counters"]
    seconds = now["clock"] - before["clock"] if before is not None else 0.0
    total = _messages(now)
    rate = f"{(total - _messages(before)) / seconds:.0f}/s" if before is not None and seconds > 0 else "-"
    dead = ", ".join(f"{count} {why}" for why, count in sorted(now["dead_letters"].items()) if count) or "none"
    return [
        f"{now['system']}: process {now['pid']}, {now['alive']} actors, {now['queued']} queued, "
        f"{now['handlers']} handlers suspended",
        f"messages {total} ({rate})   started {counters['spawned']}   ended {counters['ended']}   "
        f"crashed {counters['crashed']}   restarted {counters['restarted']}   dead letters: {dead}",
    ]


def _messages(snapshot: SystemSnapshot) -> int:
    return snapshot["counters"]["handled"] + snapshot["counters"]["inlined"]


def footlines(now: SystemSnapshot, cut: int = 0) -> list[str]:
    """The lines below the table: deadlock suspects, then who waits: for answers, the longest first, then the rest."""
    lines = []
    left = now["left_out"] + cut
    if left:
        lines.append(f"… and {left} more actors")
    for ring in now["suspects"]:
        lines.append("DEADLOCK? " + " -> ".join([*ring, ring[0]]))
    waits = sorted(now["waits"], key=lambda wait: (wait["does"] != "ask", -(wait["seconds"] or 0.0)))
    lines += [_wait_line(wait) for wait in waits[:WAITS]]
    if len(waits) > WAITS:
        lines.append(f"… and {len(waits) - WAITS} more that wait")
    return lines


def _wait_line(wait: dict[str, object]) -> str:
    seconds = wait["seconds"]
    since = f" for {seconds_text(seconds)}" if isinstance(seconds, float) else ""
    match wait["does"]:
        case "ask":
            return f"{wait['who']} waits{since} for {wait['on']} to answer {wait['message']} ({wait['where']})"
        case "await":
            return f"{wait['who']} waits{since} for {wait['on']} to end"
        case does:
            others = wait["others"]
            by = f", which {' and '.join(others)} has" if isinstance(others, list) and others else ""
            return f"{wait['who']} waits{since} to {does} on {wait['on']}{by}"


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 120 else f"{seconds:.0f} s"


def as_text(now: SystemSnapshot, before: SystemSnapshot | None, order: str) -> str:
    """The picture as plain text."""
    nodes = [*_lines(nodesview.COLUMNS, nodesview.node_rows(now, before)), ""] if now["nodes"] else []
    lines = _lines(COLUMNS, [row.cells for row in rows(now, before, order)])
    return "\n".join([*headline(now, before), "", *nodes, *lines, *([""] if footlines(now) else []), *footlines(now)])


def _lines(columns: dict[str, str], found: list[tuple[str, ...]]) -> list[str]:
    table = [tuple(columns), *found]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(columns))]
    return [_line(columns, cells, widths) for cells in table]


def _line(columns: dict[str, str], cells: Iterable[str], widths: list[int]) -> str:
    aligned = zip(cells, widths, columns.values(), strict=True)
    return "  ".join(
        f"{text:>{width}}" if way == "right" else f"{text:<{width}}" for text, width, way in aligned
    ).rstrip()


def as_table(now: SystemSnapshot, before: SystemSnapshot | None, order: str, height: int) -> RenderableType:
    """The picture for a terminal of some lines: what does not fit is counted."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    found = rows(now, before, order)
    nodes = nodesview.node_rows(now, before)
    room = max(1, height - len(headline(now, before)) - len(footlines(now, 1)) - 3 - (len(nodes) + 2 if nodes else 0))
    table = Table(box=None, padding=(0, 1), header_style="bold reverse", expand=True)
    for column, way in COLUMNS.items():
        last = column == "in hand"
        table.add_column(column, justify="right" if way == "right" else "left", no_wrap=True, ratio=1 if last else None)
    for row in found[:room]:
        fill = "bold red" if row.fill >= FULL else ""
        style = STYLES.get(row.state, "")
        table.add_row(
            *(Text(text, fill if n in (3, 4) else style if n == 2 else "") for n, text in enumerate(row.cells))
        )
    foot = [
        Text(line, "bold red" if line.startswith("DEADLOCK") else "dim", no_wrap=True, overflow="ellipsis")
        for line in footlines(now, max(0, len(found) - room))
    ]
    head = [Text(line, "bold", no_wrap=True) for line in headline(now, before)]
    return Group(*head, *([_node_table(nodes), Text("")] if nodes else []), table, *foot)


def _node_table(found: list[tuple[str, ...]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), header_style="bold reverse", expand=True)
    for column, way in nodesview.COLUMNS.items():
        table.add_column(column, justify="right" if way == "right" else "left", no_wrap=True)
    for cells in found:
        style = nodesview.STYLES.get(cells[1], "")
        table.add_row(*(Text(text, style if n < 2 else "") for n, text in enumerate(cells)))
    return table
