"""What `actorpar top` shows of the nodes of a system, one line each, so that unlike machines stand side by side.

Rates are of two answers of a node and by its own clock. One that has not answered anew has no rates, and keeps what it
said of itself last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .devices import devices_text
from .nodes import FiguresRow, NodeRow
from .snapshot import SystemSnapshot
from .text import bytes_text, seconds_text

#: column -> how it is aligned; a narrow terminal shows the first of them. That of devices is left out where none are
COLUMNS: Final = {
    "node": "left",
    "state": "left",
    "cpu": "right",
    "memory": "right",
    "device": "left",
    "lag": "right",
    "heard": "right",
    "cores": "right",
    "load": "right",
    "in/s": "right",
    "out/s": "right",
    "actors": "right",
    "msgs/s": "right",
    "ends": "right",
    "link": "left",
    "pid": "right",
    "machine": "left",
}
_DEVICE: Final = list(COLUMNS).index("device")
STYLES: Final = {
    "up": "green",
    "stalled": "bold yellow",
    "silent": "bold red",
    "broken": "bold red",
    "lost": "red",
}


def rows(now: SystemSnapshot, before: SystemSnapshot | None) -> list[tuple[str, ...]]:
    """A row of cells for each node, the one that is looked at first and the lost last; none where there are no nodes.

    The second cell is the state.
    """
    earlier = {_key(row): row["figures"] for row in before["nodes"]} if before is not None else {}
    return [_row(row, earlier.get(_key(row))) for row in now["nodes"]]


def shown(table: list[tuple[str, ...]]) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """The columns that are worth their place, and their cells."""
    if any(cells[_DEVICE] != "-" for cells in table):
        return dict(COLUMNS), table
    columns = {column: way for column, way in COLUMNS.items() if column != "device"}
    return columns, [(*cells[:_DEVICE], *cells[_DEVICE + 1 :]) for cells in table]


def _key(row: NodeRow) -> tuple[str, int]:
    return row["name"], row["pid"]


def fitting(columns: Iterable[str], table: list[tuple[str, ...]], width: int) -> int:
    """How many columns of a table a terminal of so many characters shows whole, each with a space on both sides."""
    headings = list(columns)
    for column, heading in enumerate(headings):
        width -= max(len(heading), *(len(cells[column]) for cells in table)) + 2
        if width < 0:
            return column
    return len(headings)


def _row(row: NodeRow, before: FiguresRow | None) -> tuple[str, ...]:
    figures = row["figures"]
    known = (row["name"], row["state"])
    heard = "-" if row["heard"] is None else seconds_text(row["heard"])
    link, pid = row["link"] or "-", str(row["pid"])
    if figures is None:
        lag = seconds_text(row["stall"]) if row["stall"] else "-"
        return (*known, "-", "-", "-", lag, heard, str(row["cores"]), *["-"] * 6, link, pid, row["reason"])
    cpu, messages, received, sent = _rates(figures, before)
    return (
        *known,
        cpu,
        "-" if figures["memory"] is None else bytes_text(figures["memory"]),
        devices_text(figures["devices"]),
        seconds_text(row["stall"] or figures["lag"]),
        heard,
        str(figures["cores"]),
        "-" if figures["load"] is None else f"{figures['load']:.1f}",
        received,
        sent,
        str(figures["actors"]),
        messages,
        str(figures["ends"]),
        link,
        pid,
        f"{figures['hostname']}, {figures['python']}, {figures['platform']}",
    )


def _rates(now: FiguresRow, before: FiguresRow | None) -> tuple[str, str, str, str]:
    """CPU of one core (a process with several threads may use more), messages, and bytes in and out, a second.

    Bytes are counted over the links that were there both times.
    """
    seconds = 0.0 if before is None else now["clock"] - before["clock"]
    if before is None or seconds <= 0:
        return "-", "-", "-", "-"
    links = [(now["links"][name], before["links"][name]) for name in now["links"].keys() & before["links"].keys()]
    sent, received = (sum(new[way] - old[way] for new, old in links) / seconds for way in (0, 1))
    cpu = (now["cpu"] - before["cpu"]) / seconds
    messages = (now["messages"] - before["messages"]) / seconds
    return f"{cpu:.0%}", f"{messages:.0f}", bytes_text(received), bytes_text(sent)
