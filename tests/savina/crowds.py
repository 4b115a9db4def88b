"""Many talk to many: big (everybody pings anybody), chameneos (everybody meets in one place)."""

from __future__ import annotations

import actorpar as ap

from .forkjoin import Join
from .pseudorandom import PseudoRandom


class Talker(ap.Actor):
    """Pings somebody drawn by lot when it has the pong of its last ping; answers the pings of the others."""

    def __init__(self, index: int, pings: int, join: ap.ActorRef[Join]) -> None:
        self.random = PseudoRandom(index)
        self.left = pings
        self.pongs = 0
        self.join = join

    def start(self, talkers: list[ap.ActorRef[Talker]]) -> None:
        self.talkers, self.me = talkers, self.ctx.ref
        self._go_on()

    def ping(self, sender: ap.ActorRef[Talker]) -> None:
        sender.tell(Talker.pong)

    def pong(self) -> None:
        self.pongs += 1
        self._go_on()

    def _go_on(self) -> None:
        if self.left:
            self.left -= 1
            self.talkers[self.random.below(len(self.talkers))].tell(Talker.ping, self.me)
        else:
            self.join.tell(Join.add, self.pongs)


async def big(system: ap.ActorSystem, talkers: int, pings: int) -> int:
    """Each talker makes `pings` round trips: the number of them all."""
    join = await system.spawn(Join, talkers)
    refs = [await system.spawn(Talker, index, pings, join) for index in range(talkers)]
    for ref in refs:
        ref.tell(Talker.start, refs)
    return await join.within(None).ask(Join.total)


RED, YELLOW, BLUE, FADED = range(4)


class Mall(ap.Actor):
    """Where chameneos meet, two at a time, until there were enough meetings."""

    def __init__(self, meetings: int, join: ap.ActorRef[Join]) -> None:
        self.left = meetings
        self.join = join
        self.waiting: ap.ActorRef[Chameneo] | None = None

    def come(self, who: ap.ActorRef[Chameneo], colour: int) -> None:
        if not self.left:
            who.tell(Chameneo.go_home)
        elif self.waiting is None:
            self.waiting = who
        else:
            self.left -= 1
            self.waiting.tell(Chameneo.meet, who, colour)
            self.waiting = None


class Chameneo(ap.Actor):
    """Takes the colour that neither it nor the other has, unless both have the same."""

    def __init__(self, mall: ap.ActorRef[Mall], colour: int, join: ap.ActorRef[Join]) -> None:
        self.mall, self.colour, self.join = mall, colour, join
        self.meetings = 0

    def on_start(self) -> None:
        self.me = self.ctx.ref

    def start(self) -> None:
        self.mall.tell(Mall.come, self.me, self.colour)

    def meet(self, other: ap.ActorRef[Chameneo], colour: int) -> None:
        self._take(complement(self.colour, colour))
        other.tell(Chameneo.change, self.colour)

    def change(self, colour: int) -> None:
        self._take(colour)

    def go_home(self) -> None:
        self.colour = FADED
        self.join.tell(Join.add, self.meetings)

    def _take(self, colour: int) -> None:
        self.colour = colour
        self.meetings += 1
        self.mall.tell(Mall.come, self.me, colour)


def complement(one: int, other: int) -> int:
    """The colour both take."""
    return one if one == other else RED + YELLOW + BLUE - one - other


async def chameneos(system: ap.ActorSystem, size: int, meetings: int) -> int:
    """How often a chameneo, one of `size` >= 2, met another; added up over them all: two for each meeting."""
    join = await system.spawn(Join, size)
    mall = await system.spawn(Mall, meetings, join)
    for index in range(size):
        (await system.spawn(Chameneo, mall, index % 3, join)).tell(Chameneo.start)
    return await join.within(None).ask(Join.total)
