"""What the devices of this process are doing, for `actorpar top` and the metrics.

A device is watched as long as it lives; nothing is asked of it until somebody looks.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Protocol


class Watched(Protocol):
    """What a device tells of itself. `memory` is bytes in use and in all, and may raise once the device is lost."""

    @property
    def spec(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def streams(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def completed(self) -> int: ...
    def memory(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """One device now.

    memory_used, memory_total  bytes; None where the device does not tell, as a lost one
    streams, busy              how many it has, and how many of them have work
    in_flight, completed       pieces of work that were given to it and are not done, and that were done
    """

    spec: str
    name: str
    memory_used: int | None
    memory_total: int | None
    streams: int
    busy: int
    in_flight: int
    completed: int


_watched: weakref.WeakValueDictionary[int, Watched] = weakref.WeakValueDictionary()


def watch(device: Watched) -> None:
    """Have `figures` tell of a device from now on, as long as anybody else refers to it."""
    _watched[id(device)] = device


def unwatch(device: Watched) -> None:
    """The device is closed: nothing more is to be told of it."""
    _watched.pop(id(device), None)


def figures() -> list[DeviceFigures]:
    """The devices of this process now, in the order in which they came; actors that share one are told of together."""
    found: dict[str, DeviceFigures] = {}
    for device in list(_watched.values()):
        told = _figures_of(device)
        found[told.spec] = _together(found[told.spec], told) if told.spec in found else told
    return list(found.values())


def _together(one: DeviceFigures, other: DeviceFigures) -> DeviceFigures:
    """What two see of one device: its memory is the same, their streams and their work are their own."""
    return DeviceFigures(
        one.spec,
        one.name,
        max((each.memory_used for each in (one, other) if each.memory_used is not None), default=None),
        one.memory_total if one.memory_total is not None else other.memory_total,
        one.streams + other.streams,
        one.busy + other.busy,
        one.in_flight + other.in_flight,
        one.completed + other.completed,
    )


def _figures_of(device: Watched) -> DeviceFigures:
    memory: tuple[int, int] | tuple[None, None]
    try:
        memory = device.memory()
    except Exception:  # whatever the library of the device raises of one that is lost
        memory = None, None
    return DeviceFigures(
        device.spec, device.name, memory[0], memory[1], device.streams, device.busy, device.in_flight, device.completed
    )
