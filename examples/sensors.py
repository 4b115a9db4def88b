"""Processes, a channel and an actor: readings flow through the channel into the actor, which is asked about them.

The processes wait when the actor is slow, for its feed takes the next reading only when it has handled the last one.
The feed is a process, too: it ends when there will be no more readings.
"""

import asyncio
import random

import actorpar as ap

Reading = tuple[str, float]


async def sensor(name: str, out: ap.Sender[Reading]) -> None:
    rng = random.Random(name)
    for _ in range(50):
        await asyncio.sleep(0.001)
        await out.send((name, rng.gauss(20.0, 2.0)))


class Recorder(ap.Actor, reentrant=True):  # readings are handled while `result` waits
    def __init__(self, readings: ap.Receiver[Reading]) -> None:
        self.highest: dict[str, float] = {}
        self.flow = self.ctx.feed(readings, self.on_reading)

    def on_reading(self, reading: Reading) -> None:
        name, value = reading
        self.highest[name] = max(value, self.highest.get(name, value))

    def latest(self) -> dict[str, float]:
        return dict(self.highest)

    async def result(self) -> dict[str, float]:
        await self.flow  # raises if a sensor failed, so that a short result never looks complete
        return self.highest


async def main() -> None:
    async with ap.ActorSystem() as system:
        tx, rx = ap.open_channel[Reading](8)
        recorder = await system.spawn(Recorder, rx)
        for name in ("cellar", "roof"):
            await system.spawn(sensor, name, tx.clone())
        tx.close()  # ours: the stream ends with the last sensor
        await asyncio.sleep(0.02)
        print("so far:", sorted(await recorder.ask(Recorder.latest)))
        for name, value in sorted((await recorder.ask(Recorder.result)).items()):
            print(f"highest reading, {name}: {value:.1f}")


if __name__ == "__main__":
    ap.run(main)
