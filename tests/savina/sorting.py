"""radixsort: one stage for each bit, lowest first, through which the numbers stream; the last keeps what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import actorpar as ap

from .pseudorandom import PseudoRandom


def numbers(count: int, bits: int) -> Iterator[int]:
    """Numbers of that many bits, the same for everybody."""
    random = PseudoRandom(bits)
    for _ in range(count):
        number = 0
        for _ in range(-(-bits // 16)):
            number = number << 16 | random.below(1 << 16)
        yield number & ((1 << bits) - 1)


class Sink(ap.Actor):
    """Keeps the numbers; answers with all of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.kept: list[int] = []
        self.result: ap.Reply[list[int]] | None = None

    def take(self, number: int) -> None:
        self.kept.append(number)
        self._finish()

    def all(self) -> ap.Reply[list[int]]:
        self.result = self.ctx.defer(list[int])
        self._finish()
        return self.result

    def _finish(self) -> None:
        if self.result is not None and len(self.kept) == self.count:
            self.result.send(self.kept)


class Stage(ap.Actor):
    """Passes numbers without its bit on at once, and those with it after all others.

    It need not know who comes next: it is given the message that takes a number there.
    """

    def __init__(self, count: int, bit: int, pass_on: Callable[[int], bool]) -> None:
        self.left, self.mask, self.pass_on = count, 1 << bit, pass_on
        self.later: list[int] = []

    def take(self, number: int) -> None:
        if number & self.mask:
            self.later.append(number)
        else:
            self.pass_on(number)
        self.left -= 1
        if not self.left:
            for number in self.later:
                self.pass_on(number)


async def radixsort(system: ap.ActorSystem, unsorted: Sequence[int], bits: int) -> list[int]:
    """The numbers, none of more than `bits` bits, in order."""
    sink = await system.spawn(Sink, len(unsorted))
    pass_on = sink.teller(Sink.take)
    stages = []
    for bit in reversed(range(bits)):
        stages.append(await system.spawn(Stage, len(unsorted), bit, pass_on))
        pass_on = stages[-1].teller(Stage.take)
    for number in unsorted:
        await stages[-1].send(Stage.take, number)
    return await sink.within(None).ask(Sink.all)
