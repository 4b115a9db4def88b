"""A bank of actors. What may not be done is refused with a `Reject`, an answer after which everybody works on.

What goes wrong is the supervisor's business: it starts an account again, which finds what its predecessor kept.
"""

import actorpar as ap


class Refused(ap.Reject):
    pass


class Account(ap.Actor):
    def __init__(self, balance: int) -> None:
        self.balance = balance

    def on_restart(self, restart: ap.Restart) -> None:
        self.balance = self.balance if restart.state is None else restart.state

    def change(self, amount: int) -> None:
        if self.balance + amount < 0:
            raise Refused(f"{self.ctx.name} has only {self.balance}")
        self.balance += amount
        self.ctx.keep(self.balance)  # for the next incarnation, however this one ends


class Bank(ap.Actor):
    async def transfer(self, amount: int, source: str, target: str) -> str:
        payer, payee = (self.ctx.system.find(name, Account) for name in (source, target))
        if payer is None or payee is None:
            raise Refused(f"there is no {source if payer is None else target} here")
        await payer.ask(Account.change, -amount)
        try:
            await payee.ask(Account.change, amount)
        except ap.ActorDead:  # it never handled the message
            payer.tell(Account.change, amount)
            raise Refused(f"{target} cannot be reached, {source} has the money back") from None
        return f"{amount} from {source} to {target}"


async def main() -> None:
    async with ap.ActorSystem() as system:
        accounts = [ap.child(Account, 100, name=name) for name in ("Ann", "Ben")]
        supervisor = await system.spawn(ap.Supervisor, ap.one_for_one(*accounts))
        bank = await system.spawn(Bank)
        print(await bank.ask(Bank.transfer, 30, "Ann", "Ben"))
        ann = await supervisor.ask(ap.Supervisor.child, "Ann")
        assert ann is not None
        started = system.events.subscribe(ap.Started)
        system.kill(ann)
        print((await started.receive()).name, "was killed, and is back")
        for payee in ("Ben", "Eve"):
            try:
                print(await bank.ask(Bank.transfer, 71, "Ann", payee))
            except Refused as no:
                print("refused:", no)


if __name__ == "__main__":
    ap.run(main)
