"""What mypy and pyright infer, without a cast and without a plugin. Never run."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar, assert_never, assert_type

import actorpar as ap

T = TypeVar("T")


async def ends() -> None:
    tx, rx = ap.open_channel[str](64)
    assert_type(tx, ap.Sender[str])
    assert_type(rx, ap.Receiver[str])
    assert_type(await tx.send("a"), None)
    assert_type(tx.send_nowait("a"), None)
    assert_type(await tx.send_many(["a", "b"]), None)
    assert_type(await rx.receive(), str)
    assert_type(rx.receive_nowait(), str)
    assert_type(await rx.receive_many(10), list[str])
    async for item in rx:
        assert_type(item, str)
    async with tx.reserve() as permit:
        assert_type(permit, ap.Permit[str])
        permit.send("a")
    with tx as same_tx, rx as same_rx:
        assert_type(same_tx, ap.Sender[str])
        assert_type(same_rx, ap.Receiver[str])
    assert_type(tx.clone(), ap.Sender[str])
    assert_type(rx.clone(), ap.Receiver[str])
    assert_type(tx.statistics(), ap.Statistics)
    assert_type(tx.statistics().blocked_seconds, tuple[float, float])
    assert_type(tx.threadsafe(), ap.ThreadSender[str])
    assert_type(rx.threadsafe(), ap.ThreadReceiver[str])
    assert_type(rx.threadsafe().receive(), str)
    for item in rx.threadsafe():
        assert_type(item, str)


async def payloads() -> None:
    optional_tx, optional_rx = ap.open_channel[int | None](0)
    assert_type(optional_tx, ap.Sender[int | None])
    assert_type(await optional_rx.receive(), int | None)
    await optional_tx.send(None)

    _, pairs = ap.open_channel[tuple[str, dict[str, list[int]]]](math.inf, overflow="wait", name="pairs")
    name, table = await pairs.receive()
    assert_type(name, str)
    assert_type(table, dict[str, list[int]])

    _, callbacks = ap.open_channel[Callable[[int], str]](1, overflow="latest")
    assert_type((await callbacks.receive())(1), str)

    _, ends_as_items = ap.open_channel[ap.Sender[int]](1)
    await (await ends_as_items.receive()).send(1)

    def report(item: float) -> None: ...

    ap.open_channel[int](1, on_undelivered=report, timed=True)


async def forward(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
    await tx.send(await rx.receive())


async def variance(objects: ap.Sender[object], flags: ap.Receiver[bool]) -> None:
    await forward(flags, objects)  # who receives flags receives numbers, and who sends any object sends numbers


async def broadcast() -> None:
    tx, hub = ap.open_broadcast[bytes](8, overflow="drop_old")
    assert_type(tx, ap.Sender[bytes])
    assert_type(hub, ap.Broadcast[bytes])
    with hub:
        assert_type(hub.subscribe(), ap.Receiver[bytes])


async def timers() -> None:
    assert_type(ap.after(1.0), ap.Receiver[None])
    assert_type(ap.after(None), ap.Receiver[None])
    assert_type(ap.never(), ap.Receiver[None])
    async for moment in ap.tick(1.0):
        assert_type(moment, None)


async def select_one(a: ap.Receiver[int]) -> None:
    assert_type(await ap.select(ap.receive_from(a)), tuple[Literal[0], int])


async def select_narrows(a: ap.Receiver[int], b: ap.Receiver[str | None], c: ap.Sender[bytes]) -> str:
    chosen = await ap.select(a, ap.receive_from(b, when=True), ap.send_to(c, b"x"), ap.after(1.0), priority=True)
    match chosen:
        case 0, number:
            assert_type(number, int)
        case 1, text:
            assert_type(text, str | None)
        case 2, sent:
            assert_type(sent, None)
        case 3, late:
            assert_type(late, None)
        case _:
            assert_never(chosen)
    return "all four"


async def select_of_eight(
    a: ap.Receiver[int],
    b: ap.Receiver[str],
    c: ap.Receiver[bytes],
    d: ap.Receiver[float],
    e: ap.Receiver[list[int]],
    f: ap.Receiver[dict[str, int]],
) -> None:
    chosen = await ap.select(a, b, c, d, e, f, ap.never(), ap.default())
    match chosen:
        case 0, first:
            assert_type(first, int)
        case 1, second:
            assert_type(second, str)
        case 2, third:
            assert_type(third, bytes)
        case 3, fourth:
            assert_type(fourth, float)
        case 4, fifth:
            assert_type(fifth, list[int])
        case 5, sixth:
            assert_type(sixth, dict[str, int])
        case ((6 | 7), nothing):
            assert_type(nothing, None)
        case _:
            assert_never(chosen)


async def select_many(receivers: list[ap.Receiver[int]]) -> None:
    assert_type(await ap.select(*[ap.receive_from(rx) for rx in receivers]), tuple[int, int])
    assert_type(await ap.select(*receivers, skip_closed=True), tuple[int, int])


async def selector(a: ap.Receiver[int], b: ap.Receiver[int], c: ap.Sender[str]) -> None:
    plain = ap.Selector(ap.receive_from(a), ap.receive_from(b), priority=True)
    assert_type(plain, ap.Selector[int])
    index, number = await plain.select()
    assert_type(index, int)
    assert_type(number, int)
    mixed = ap.Selector[int | None](a, ap.send_to(c, "x"), ap.tick(1.0))
    assert_type(await mixed.select(), tuple[int, int | None])


async def fetch(jobs: ap.Receiver[str], pages: ap.Sender[bytes], depth: int = 1) -> int:
    return depth


async def nothing() -> None: ...


async def identity(value: T) -> T:
    return value


async def with_keywords(jobs: ap.Receiver[str], *, depth: int) -> float:
    return float(depth)


async def processes(rx: ap.Receiver[str], tx: ap.Sender[bytes]) -> None:
    async with ap.ProcessGroup("crawl") as group:
        process = group.spawn(fetch, rx, tx, 3, name="fetcher")
        assert_type(process, ap.Process[int])
        assert_type(await process, int)
        assert_type(process.result(), int)
        assert_type(group.spawn(nothing), ap.Process[None])
        assert_type(await group.spawn(identity, "text"), str)
        assert_type(group.spawn(functools.partial(with_keywords, rx, depth=1), propagate=True), ap.Process[float])
        assert_type(await asyncio.gather(process, group.spawn(identity, "text")), tuple[int, str])
        assert_type(await asyncio.wait_for(process, 1.0), int)
    assert_type(process.cancelled(), bool)  # bound: the block swallows nothing


async def system(rx: ap.Receiver[str], tx: ap.Sender[bytes]) -> int:
    async with ap.ActorSystem() as running:
        process = await running.spawn(fetch, rx, tx, 1, name="fetcher")
        assert_type(process, ap.Process[int])
        return await process


async def side_by_side(rx: ap.Receiver[str], tx: ap.Sender[bytes]) -> None:
    assert_type(await ap.par(rx.receive(), tx.send(b"x")), tuple[str, None])
    assert_type(await ap.par(rx.receive(), tx.send(b"x"), identity(1)), tuple[str, None, int])
    assert_type(await ap.par(rx.receive(), nothing(), identity(1), identity(b"")), tuple[str, None, int, bytes])
    assert_type(await ap.par(*[identity(number) for number in range(9)]), tuple[int, ...])


async def errors(tx: ap.Sender[str]) -> None:
    try:
        await tx.send("a")
    except ap.ChannelFull as refused:
        assert_type(refused.items, tuple[Any, ...])
    except (ap.ChannelBroken, ap.ChannelAborted, ap.ChannelClosed, ap.EndMoved) as ended:
        print(ended.item)


async def main() -> int:
    return 1


def program() -> None:
    assert_type(ap.run(main), int)
    assert_type(ap.run(functools.partial(identity, "text"), uvloop=False), str)
