"""Power series as streams of coefficients (McIlroy, "Squinting at Power Series"; Go's test/chan/powser1).

Each series is a process that sends the next coefficient when somebody wants it; demand goes through channels too, for
on capacity 0 a coefficient is computed only when it is received.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from fractions import Fraction
from typing import Any

import actorpar as ap

from .conftest import Go, Run

Series = ap.Receiver[Fraction]
Body = Callable[[ap.Sender[Fraction]], Coroutine[Any, Any, None]]


class Algebra:
    """Power series over one program."""

    def __init__(self, go: Go) -> None:
        self.go = go
        self.ends: list[Any] = []

    def series(self, body: Body) -> Series:
        """The stream of what `body` sends, until nobody wants more."""
        tx, rx = ap.open_channel[Fraction](0)
        self.ends += [tx, rx]

        async def run() -> None:
            try:
                await body(tx)
            except ap.ChannelError:  # nobody wants more
                pass
            finally:
                tx.close()

        self.go(run)
        return rx

    def constant(self, *coefficients: int) -> Series:
        async def body(tx: ap.Sender[Fraction]) -> None:
            for coefficient in coefficients:
                await tx.send(Fraction(coefficient))
            while True:
                await tx.send(Fraction(0))

        return self.series(body)

    def ones(self) -> Series:
        """1 + x + x² + …, that is 1 / (1 - x)."""

        async def body(tx: ap.Sender[Fraction]) -> None:
            while True:
                await tx.send(Fraction(1))

        return self.series(body)

    def split(self, series: Series) -> tuple[Series, Series]:
        """The series twice. Whichever copy is ahead, what the other has not had yet is kept for it."""
        pending: tuple[list[Fraction], list[Fraction]] = ([], [])
        asking = asyncio.Lock()  # one copy asks for both, or the second would miss what the first is about to get

        def copy(mine: int) -> Body:
            async def body(tx: ap.Sender[Fraction]) -> None:
                while True:
                    async with tx.reserve() as permit:  # wanted: only now the original is asked
                        async with asking:
                            if not pending[mine]:
                                coefficient = await series.receive()
                                pending[0].append(coefficient)
                                pending[1].append(coefficient)
                        permit.send(pending[mine].pop(0))

            return body

        return self.series(copy(0)), self.series(copy(1))

    def add(self, f: Series, g: Series) -> Series:
        async def body(tx: ap.Sender[Fraction]) -> None:
            while True:
                await tx.send(await f.receive() + await g.receive())

        return self.series(body)

    def multiply(self, f: Series, g: Series) -> Series:
        async def body(tx: ap.Sender[Fraction]) -> None:
            fs: list[Fraction] = []
            gs: list[Fraction] = []
            while True:
                fs.append(await f.receive())
                gs.append(await g.receive())
                await tx.send(sum((a * b for a, b in zip(fs, reversed(gs), strict=True)), Fraction(0)))

        return self.series(body)

    def differentiate(self, f: Series) -> Series:
        async def body(tx: ap.Sender[Fraction]) -> None:
            await f.receive()
            degree = 1
            while True:
                await tx.send(degree * await f.receive())
                degree += 1

        return self.series(body)

    def integrate(self, f: Series, constant: int) -> Series:
        async def body(tx: ap.Sender[Fraction]) -> None:
            await tx.send(Fraction(constant))
            degree = 1
            while True:
                await tx.send(await f.receive() / degree)
                degree += 1

        return self.series(body)

    def exponential(self, f: Series) -> Series:
        """exp(f) for f(0) = 0: the solution y of y' = f' y, y(0) = 1, which is fed back into itself."""
        tx, fed_back = ap.open_channel[Fraction](1)
        self.ends += [tx, fed_back]
        result, again = self.split(self.integrate(self.multiply(self.differentiate(f), fed_back), 1))

        async def feed() -> None:
            try:
                while True:
                    await tx.send(await again.receive())
            except ap.ChannelError:
                pass

        self.go(feed)
        return result

    async def first(self, count: int, series: Series) -> AsyncIterator[Fraction]:
        for _ in range(count):
            yield await series.receive()

    def close(self) -> None:
        """Nobody wants more of any series."""
        for end in self.ends:
            end.close()


def check(run: Run, make: Callable[[Algebra], Series], expected: list[Any]) -> None:
    async def program(go: Go) -> None:
        algebra = Algebra(go)
        series = make(algebra)
        assert [coefficient async for coefficient in algebra.first(len(expected), series)] == expected
        algebra.close()

    run(program)


def factorials(count: int) -> list[Fraction]:
    result = [Fraction(1)]
    for number in range(1, count):
        result.append(result[-1] / number)
    return result


def test_a_sum_of_series(run: Run) -> None:
    check(run, lambda a: a.add(a.ones(), a.constant(1, 2, 3)), [2, 3, 4, 1, 1, 1])


def test_a_product_of_series(run: Run) -> None:
    check(run, lambda a: a.multiply(a.ones(), a.ones()), [1, 2, 3, 4, 5, 6, 7, 8])


def test_a_derivative_of_series(run: Run) -> None:
    check(run, lambda a: a.differentiate(a.ones()), [1, 2, 3, 4, 5, 6])


def test_an_integral_of_series(run: Run) -> None:
    check(run, lambda a: a.integrate(a.ones(), 5), [5, 1, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)])


def test_the_two_copies_of_a_series_may_be_read_at_different_speed(run: Run) -> None:
    def both(a: Algebra) -> Series:
        one, two = a.split(a.integrate(a.ones(), 0))
        return a.add(one, a.differentiate(two))

    check(run, both, [1, 2, Fraction(3, 2), Fraction(4, 3), Fraction(5, 4)])


def test_the_exponential_of_x_is_fed_by_itself(run: Run) -> None:
    check(run, lambda a: a.exponential(a.constant(0, 1)), factorials(12))
