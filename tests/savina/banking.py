"""banking: transfers between accounts, each of which handles one at a time: requests, replies, and who waits meanwhile.

Two ways to write the account. One awaits the other account in its handler, so that the mailbox waits. The other never
waits: it sends, stashes what comes before the answer, and takes it out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import actorpar as ap

from .forkjoin import Join
from .pseudorandom import PseudoRandom


class Transfer(NamedTuple):
    """From the account of one number to that of a greater one, so that no circle of accounts can wait."""

    source: int
    target: int
    amount: int


def transfers(accounts: int, count: int) -> Iterator[Transfer]:
    """The same for everybody: four fifths of the accounts give, to any account above."""
    random = PseudoRandom(123_456)
    for _ in range(count):
        source = random.below(max(1, accounts * 4 // 5))
        target = source + 1 + random.below(accounts - source - 1)
        yield Transfer(source, target, 1 + random.below(1000))


class Account(ap.Actor):
    """Awaits the other account: the next transfer waits in the mailbox."""

    def __init__(self) -> None:
        self.balance = 0

    async def transfer(self, amount: int, target: ap.ActorRef[Account], teller: ap.ActorRef[Join]) -> None:
        self.balance -= amount
        await target.within(None).ask(Account.deposit, amount)
        teller.tell(Join.add, amount)

    def deposit(self, amount: int) -> None:
        self.balance += amount

    def show(self) -> int:
        return self.balance


class StashingAccount(ap.Actor):
    """Tells the other account, and stashes what comes before its answer."""

    def __init__(self) -> None:
        self.balance = self.pending = 0
        self.teller: ap.ActorRef[Join] | None = None

    def on_start(self) -> None:
        self.me = self.ctx.ref

    def transfer(self, amount: int, target: ap.ActorRef[StashingAccount], teller: ap.ActorRef[Join]) -> None:
        if self.teller is not None:
            self.ctx.stash()
            return
        self.balance -= amount
        self.pending, self.teller = amount, teller
        target.tell(StashingAccount.deposit, amount, self.me)

    def deposit(self, amount: int, source: ap.ActorRef[StashingAccount]) -> None:
        if self.teller is not None:
            self.ctx.stash()
            return
        self.balance += amount
        source.tell(StashingAccount.deposited)

    def deposited(self) -> None:
        if self.teller is not None:
            self.teller.tell(Join.add, self.pending)
        self.teller = None
        self.ctx.unstash_all()

    def show(self) -> int:
        return self.balance


async def banking(system: ap.ActorSystem, accounts: int, count: int) -> list[int]:
    """The balances after the transfers."""
    teller = await system.spawn(Join, count)
    refs = [await system.spawn(Account) for _ in range(accounts)]
    for source, target, amount in transfers(accounts, count):
        await refs[source].send(Account.transfer, amount, refs[target], teller)
    await teller.within(None).ask(Join.total)
    return [await ref.ask(Account.show) for ref in refs]


async def banking_with_stash(system: ap.ActorSystem, accounts: int, count: int) -> list[int]:
    """The balances after the transfers."""
    teller = await system.spawn(Join, count)
    refs = [await system.spawn(StashingAccount) for _ in range(accounts)]
    for source, target, amount in transfers(accounts, count):
        await refs[source].send(StashingAccount.transfer, amount, refs[target], teller)
    await teller.within(None).ask(Join.total)
    return [await ref.ask(StashingAccount.show) for ref in refs]
