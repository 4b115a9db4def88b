"""What `actorpar top` shows of two snapshots of a system: the same rows and lines for a terminal and for plain text.

A rate is the difference of two snapshots of one program. The first picture of a system has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from . import nodeview
from .devices import devices_text
from .snapshot import ActorRow, SystemSnapshot
from .text import seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

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
        *([] if now["nodes"] or not now["devices"] else [f"devices: {devices_text(now['devices'])}"]),
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


def as_text(now: SystemSnapshot, before: SystemSnapshot | None, order: str) -> str:
    """The picture as plain text."""
    nodes = nodeview.rows(now, before)
    parts = [headline(now, before), _lines(COLUMNS, [row.cells for row in rows(now, before, order)]), footlines(now)]
    if nodes:
        parts.insert(1, _lines(*nodeview.shown(nodes)))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _lines(columns: Mapping[str, str], table: Sequence[tuple[str, ...]]) -> list[str]:
    """A table as lines, its columns as wide as need be."""
    table = [tuple(columns), *table]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(columns))]
    return [_line(cells, widths, columns.values()) for cells in table]


def _line(cells: Iterable[str], widths: Iterable[int], ways: Iterable[str]) -> str:
    aligned = zip(cells, widths, ways, strict=True)
    return "  ".join(
        f"{text:>{width}}" if way == "right" else f"{text:<{width}}" for text, width, way in aligned
    ).rstrip()


def as_table(now: SystemSnapshot, before: SystemSnapshot | None, order: str, height: int, width: int) -> RenderableType:
    """The picture for a terminal of some lines: actors and nodes that do not fit are counted."""
    from rich.console import Group
    from rich.text import Text

    nodes, found = nodeview.rows(now, before), rows(now, before, order)
    room = max(2, height - len(headline(now, before)) - len(footlines(now, 1)) - 3)
    shown = nodes[: room // 2]
    room -= len(shown) + 2 if nodes else 0
    tables = [_nodes_table(shown, width)] if nodes else []
    if len(shown) < len(nodes):
        tables.append(Text(f"… and {len(nodes) - len(shown)} more nodes", "dim"))
    foot = [
        Text(line, "bold red" if line.startswith("DEADLOCK") else "dim", no_wrap=True, overflow="ellipsis")
        for line in footlines(now, max(0, len(found) - room))
    ]
    head = [Text(line, "bold", no_wrap=True) for line in headline(now, before)]
    return Group(*head, *tables, _actors_table(found[: max(1, room)]), *foot)


def _actors_table(found: list[Row]) -> RenderableType:
    table = _table(COLUMNS)
    for row in found:
        fill = "bold red" if row.fill >= FULL else ""
        _add(table, row.cells, {2: STYLES.get(row.state, ""), 3: fill, 4: fill})
    return table


def _nodes_table(found: list[tuple[str, ...]], width: int) -> RenderableType:
    columns, cells_of_all = nodeview.shown(found)
    fitting = nodeview.fitting(columns, cells_of_all, width)
    table = _table(dict(islice(columns.items(), fitting)))
    for cells in cells_of_all:
        _add(table, cells[:fitting], {1: nodeview.STYLES.get(cells[1], "")})
    return table


def _table(columns: Mapping[str, str]) -> Table:
    """Its last column takes what the others leave."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), header_style="bold reverse", expand=True)
    for column, way in columns.items():
        last = column == list(columns)[-1]
        table.add_column(column, justify="right" if way == "right" else "left", no_wrap=True, ratio=1 if last else None)
    return table


def _add(table: Table, cells: tuple[str, ...], styles: Mapping[int, str]) -> None:
    from rich.text import Text

    table.add_row(*(Text(text, styles.get(n, "")) for n, text in enumerate(cells)))
