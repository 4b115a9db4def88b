"""A watch over machines: a monitor sees at once that one has ended, a timer that the beats of one have stayed away."""

import asyncio

import actorpar as ap

BEAT, SILENCE = 0.05, 0.5


class Machine(ap.Actor):
    def __init__(self, watch: "ap.ActorRef[Watch]") -> None:
        self.watch = watch

    async def on_start(self) -> None:
        await self.watch.ask(Watch.register, self.ctx.ref)
        self.ctx.every(BEAT, self.beat)

    def beat(self) -> None:
        self.watch.tell(Watch.beat, self.ctx.name)

    async def hang(self) -> None:
        await asyncio.Event().wait()  # nobody will set it


class Watch(ap.Actor):
    def __init__(self, alarms: ap.Sender[str]) -> None:
        self.alarms = alarms

    def register(self, ref: ap.ActorRef[Machine]) -> None:
        self.ctx.monitor(ref)
        self.beat(ref.name)

    def beat(self, name: str) -> None:
        self.ctx.after(SILENCE, self.silent, name, key=name)  # takes the place of the last one

    async def silent(self, name: str) -> None:
        await self.alarms.send(f"{name}: silent for {SILENCE} s")

    async def on_down(self, down: ap.Down) -> None:
        assert isinstance(down.ref, ap.ActorRef)
        self.ctx.cancel_timer(down.ref.name)
        await self.alarms.send(f"{down.ref.name}: {down.reason}")


async def main() -> None:
    tx, alarms = ap.open_channel[str](8)
    with alarms:
        async with ap.ActorSystem() as system:
            watch = await system.spawn(Watch, tx)
            pump, fan, _ = [await system.spawn(Machine, watch, name=name) for name in ("pump", "fan", "lamp")]
            fan.tell(Machine.hang)
            system.kill(pump)
            print(await alarms.receive(), await alarms.receive(), sep="\n")
            system.kill(fan)  # it would not stop in time


if __name__ == "__main__":
    ap.run(main)
