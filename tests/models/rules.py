"""What must hold in every state of a world: nothing lost, doubled or overtaken, and every reservation accounted for."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any, NamedTuple

from actorpar.channels.flavors.base import Flavor
from actorpar.channels.flavors.rendezvous import PERMIT, Rendezvous
from actorpar.channels.guard import SendTo
from actorpar.channels.waiters import GRANTED, Waiter

from .search import frames
from .world import CANCELLED, OFFERED, SENT, Item, World


class Wait(NamedTuple):
    """One operation that waits or was woken: where, by which waiter, and whether to send."""

    name: str
    core: Any
    waiter: Waiter
    sends: bool


def check(world: World, at_rest: bool) -> str | None:
    """The first rule that the world breaks, or None."""
    waits = list(all_waits(world))
    for core in world.cores:
        if broken := _reservations(world, core, waits) or _first_invariant(core) or _room(world, core):
            return f"{core.name}: {broken}"
    return (
        _forgotten(waits)
        or _failures(world)
        or conservation(world)
        or order(world)
        or (_at_rest(world) if at_rest else None)
    )


def all_waits(world: World) -> Iterator[Wait]:
    """Every operation of the library that is suspended in a wait, read off the frames of the coroutines."""
    for name, runner in {**world.processes, **world.tasks}.items():
        for frame in frames(runner):
            local = frame.f_locals
            if "choice" in local:
                for waiter in local["self"]._waiters:
                    if waiter.core is not None:
                        yield Wait(name, waiter.core, waiter, isinstance(waiter.guard, SendTo))
            elif "waiter" in local and frame.f_code.co_name in ("send", "receive", "_wait"):
                yield Wait(name, local["core"], local["waiter"], frame.f_code.co_name != "receive")


def _forgotten(waits: list[Wait]) -> str | None:
    """Whoever may still be chosen stands in a queue where others look for it."""
    for name, core, waiter, sends in waits:
        places = [*core.senders] if sends else [*core.receivers, *getattr(core, "claimed", ())]
        if waiter.is_live() and waiter not in places:
            return f"{name} sleeps in no queue"
    return None


def _reservations(world: World, core: Flavor, waits: list[Wait]) -> str | None:
    """`held` and `limit` count exactly the woken waiters and the permits (CH-9, CH-10)."""
    granted = [wait for wait in waits if wait.core is core and wait.waiter.state == GRANTED]
    receivers = sum(not wait.sends for wait in granted)
    if core.failure is None and core.held != receivers:
        return f"{core.held} items are reserved for {receivers} woken receivers"
    if core.held > len(core.buffer):
        return f"{core.held} items are reserved, {len(core.buffer)} are there"
    if core.failure is None and not isinstance(core, Rendezvous):
        promised = len(granted) - receivers + world.permits
        if core.limit != core.room() - promised:
            return f"limit {core.limit} with {promised} of {core.room()} slots promised"
    return None


def _first_invariant(core: Flavor) -> str | None:
    """Nobody waits for what is there; with nothing reserved, one queue at most is in use (CH-2, CH-3, CH-13)."""
    receivers = [waiter for waiter in core.receivers if waiter.is_live()]
    senders = [waiter for waiter in core.senders if waiter.is_live()]
    if receivers and len(core.buffer) != core.held:
        return "a receiver waits although an item is free"
    if senders and len(core.buffer) < core.limit:
        return "a sender waits although a slot is free"
    reserved = core.held or core.limit != core.room()  # an item promised to one receiver keeps a sender out meanwhile
    if not reserved and any(s.sleeper() is not r.sleeper() for s in senders for r in receivers):
        return "a sender and a receiver wait for each other"
    return None


def _room(world: World, core: Flavor) -> str | None:
    """CH-12: no more items than places, but for those of woken receivers and of cancelled rendezvous."""
    if not isinstance(core, Rendezvous):
        return f"{len(core.buffer)} items in {core.capacity} places" if len(core.buffer) > core.capacity else None
    surplus = len(core.buffer) - core.held
    given_up = world.cancelled + world.closed + world.reserved  # a permit's receiver may choose another guard
    return f"a surplus of {surplus} after {given_up} gave up" if surplus > given_up else None


def _failures(world: World) -> str | None:
    """No operation ends in an error that is not a channel's."""
    for name, runner in {**world.processes, **world.tasks}.items():
        if runner.done() and not runner.cancelled() and (failure := runner.exception()) is not None:
            return f"{name} failed: {failure!r}"
    return None


def conservation(world: World) -> str | None:
    """CH-11, CH-53, CH-54: each item is in one place, and in none if it was refused."""
    places = collections.Counter(item for log in world.received.values() for item in log if isinstance(item, tuple))
    places.update(item for core in world.cores for item in core.buffer)
    places.update(world.undelivered)
    for item, fate in world.fate.items():
        count = places.pop(item, 0)
        at_most_once = isinstance(world.home[item], Rendezvous) and fate in (OFFERED, CANCELLED)
        if count > 1:
            return f"{item} is there {count} times"
        if count == 0 and fate == SENT:
            return f"{item} was sent and is lost"
        if count == 1 and fate != SENT and not at_most_once:
            return f"{item} is there, though it was {fate}"
    return f"{places} came from nowhere" if places else None


def order(world: World) -> str | None:
    """CH-5: what one receiver gets from one sender is in order, and so is what is buffered."""
    for name, log in world.received.items():
        if broken := _falling([item for item in log if isinstance(item, tuple)]):
            return f"{name} got {broken} out of order"
    for core in world.cores:
        if broken := _falling(list(core.buffer)):
            return f"{core.name} holds {broken} out of order"
    return None


def _falling(items: list[Item]) -> Item | None:
    last: dict[str, int] = {}
    for sender, number in items:
        if number <= last.get(sender, -1):
            return (sender, number)
        last[sender] = number
    return None


def _at_rest(world: World) -> str | None:
    """Nothing can run any more: then nobody sleeps on something, and every reservation is gone (CH-8, CH-29)."""
    for core in world.cores:
        senders = [waiter for waiter in core.senders if waiter.is_live()]
        receivers = [waiter for waiter in core.receivers if waiter.is_live()]
        if core.held:
            return f"{core.name}: {core.held} items stay reserved for nobody"
        if (receivers or senders) and core.failure is not None:
            return f"{core.name}: somebody sleeps on an ended channel"
        if isinstance(core, Rendezvous):
            if core.claimed and not world.permits:
                return f"{core.name}: a receiver stays set aside for a permit that is gone"
            if receivers and senders and senders[0].item is PERMIT:
                return f"{core.name}: a permit and a receiver sleep on each other"
    for name, runner in {**world.processes, **world.tasks}.items():
        if broken := _cancelled_in_vain(world, name, runner):
            return broken
    return None


def _cancelled_in_vain(world: World, name: str, runner: Any) -> str | None:
    """CH-58: whoever was cancelled has seen it."""
    noted = CANCELLED in world.received.get(name, ()) or any(
        fate == CANCELLED for (sender, _), fate in world.fate.items() if sender == name
    )
    if runner.cancelling() and not noted and not runner.cancelled():
        return f"{name} was cancelled and never learned it"
    return None
