"""The devices of a process as plain data, fit for JSON, and as a few words for `actorpar top`.

Only a process that has loaded the device package has devices; in any other nothing is loaded to find that out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, TypedDict

from .text import printable

#: Devices of one process that are told.
DEVICES: Final = 64
_GIB: Final = 1 << 30


class DeviceRow(TypedDict):
    """One device; the fields are those of `gpu.figures.DeviceFigures`."""

    spec: str
    name: str
    memory_used: int | None
    memory_total: int | None
    streams: int
    busy: int
    in_flight: int
    completed: int


def device_rows() -> list[DeviceRow]:
    """The devices of this process."""
    loaded: Any = sys.modules.get("actorpar.gpu.figures")
    return [] if loaded is None else [row_of(each) for each in loaded.figures()[:DEVICES]]


def row_of(device: Any) -> DeviceRow:
    """What is known of a device, its name fit for terminals."""
    return DeviceRow(
        spec=printable(device.spec), name=printable(device.name), memory_used=device.memory_used,
        memory_total=device.memory_total, streams=device.streams, busy=device.busy, in_flight=device.in_flight,
        completed=device.completed,
    )  # fmt: skip


def devices_text(rows: Sequence[DeviceRow]) -> str:
    """Devices in a few words: what they are, their memory in use and in all, the streams that are busy and all."""
    return ", ".join(map(_text, rows)) or "-"


def _text(row: DeviceRow) -> str:
    name = row["name"].removeprefix("NVIDIA ")
    used, total = row["memory_used"], row["memory_total"]
    memory = "no answer" if used is None or total is None else f"{_gib(used)}/{_gib(total)} GiB"
    return f"{name} {memory} {row['busy']}/{row['streams']} streams, {row['in_flight']} in flight"


def _gib(count: int) -> str:
    return f"{count / _GIB:.0f}" if count >= 100 * _GIB else f"{count / _GIB:.1f}"
