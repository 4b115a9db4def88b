"""Misuses that mypy and pyright refuse, each in the line marked so. Never run.

The marks keep the checks of the whole repository quiet; test_typing.py removes them, and holds both checkers to
refuse every marked line and no other.
"""

from __future__ import annotations

from typing import assert_never

import actorpar as ap


async def opening() -> None:
    ap.open_channel[int]()  # type: ignore
    ap.open_channel[int]("64")  # type: ignore
    ap.open_channel[int](1, overflow="drop")  # type: ignore
    ap.open_channel[int](1, buffer=2)  # type: ignore
    ap.open_channel[int](1, on_undelivered=len)  # type: ignore
    ap.open_broadcast[int](1)[1].receive()  # type: ignore
    ap.after("1")  # type: ignore
    ap.tick(None)  # type: ignore


async def sending(tx: ap.Sender[str], rx: ap.Receiver[str]) -> None:
    await tx.send(1)  # type: ignore
    await tx.send(None)  # type: ignore
    await tx.send()  # type: ignore
    tx.send_nowait(1)  # type: ignore
    await tx.send_many([1, 2])  # type: ignore
    await tx.send("a", 1.0)  # type: ignore
    await rx.send("a")  # type: ignore
    tx.threadsafe().send(1)  # type: ignore
    async with tx.reserve() as permit:
        permit.send(1)  # type: ignore
    for _ in tx:  # type: ignore
        pass


async def receiving(rx: ap.Receiver[str], tx: ap.Sender[str], optional: ap.Receiver[int | None]) -> None:
    number: int = await rx.receive()  # type: ignore
    numbers: list[int] = await rx.receive_many(2)  # type: ignore
    number = rx.receive_nowait()  # type: ignore
    (await optional.receive()) + number  # type: ignore
    await tx.receive()  # type: ignore
    await rx.receive(1.0)  # type: ignore
    await rx.receive_many()  # type: ignore
    for _ in rx:  # type: ignore
        pass
    async for item in rx:
        numbers.append(item)  # type: ignore


async def variance(objects: ap.Receiver[object], flags: ap.Sender[bool]) -> None:
    receiver: ap.Receiver[int] = objects  # type: ignore
    sender: ap.Sender[int] = flags  # type: ignore
    print(receiver, sender)


async def selecting(rx: ap.Receiver[str], tx: ap.Sender[str], number: int) -> None:
    await ap.select(tx)  # type: ignore
    await ap.select(rx.receive())  # type: ignore
    await ap.select(rx, 1.0)  # type: ignore
    await ap.select(rx, timeout=1.0)  # type: ignore
    ap.receive_from(tx)  # type: ignore
    ap.send_to(rx, "a")  # type: ignore
    ap.send_to(tx, 1)  # type: ignore
    ap.Selector(rx, tx)  # type: ignore
    ap.Selector[int](rx)  # type: ignore
    chosen = await ap.select(rx, ap.after(1.0))
    match chosen:
        case 0, text:
            number = text  # type: ignore
        case 1, nothing:
            number = nothing  # type: ignore
    match chosen:
        case 0, _:
            pass
        case _:
            assert_never(chosen)  # type: ignore
    print(number)


async def fetch(jobs: ap.Receiver[str], depth: int) -> int:
    return depth


def no_coroutine(depth: int) -> int:
    return depth


async def spawning(group: ap.ProcessGroup, system: ap.ActorSystem, rx: ap.Receiver[str], tx: ap.Sender[str]) -> None:
    group.spawn(fetch, rx)  # type: ignore
    group.spawn(fetch, rx, "1")  # type: ignore
    group.spawn(fetch, tx, 1)  # type: ignore
    group.spawn(fetch, rx, 1, 2)  # type: ignore
    group.spawn(fetch, rx, depth=1)  # type: ignore
    group.spawn(fetch(rx, 1))  # type: ignore
    group.spawn(no_coroutine, 1)  # type: ignore
    group.spawn(fetch, rx, 1, name=2)  # type: ignore
    text: str = await group.spawn(fetch, rx, 1)  # type: ignore
    text = group.spawn(fetch, rx, 1).result()  # type: ignore
    process: ap.Process[str] = await system.spawn(fetch, rx, 1)  # type: ignore
    await system.spawn(fetch, rx)  # type: ignore
    await system.spawn(no_coroutine, 1)  # type: ignore
    await ap.par(fetch, fetch)  # type: ignore
    await ap.par(1, 2)  # type: ignore
    print(text, process)


async def main() -> int:
    return 1


def program() -> None:
    ap.run(main())  # type: ignore
    text: str = ap.run(main)  # type: ignore
    ap.open_chanel[int](1)  # type: ignore
    print(text)
