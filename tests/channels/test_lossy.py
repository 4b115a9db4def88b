"""Overflow policies: what a full channel does with one more item instead of making its sender wait (CH-19)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time

Policy = Literal["reject", "drop_new", "drop_old"]
each_policy = pytest.mark.parametrize("policy", ["reject", "drop_new", "drop_old"])


async def _send(tx: ap.Sender[Any], item: Any, how: str) -> None:
    await tx.send(item) if how == "send" else tx.send_nowait(item)


each_way = pytest.mark.parametrize("how", ["send", "send_nowait"])


@each_policy
async def test_ch02_a_send_completes_at_once_while_there_is_room(channel: Channel, policy: Policy) -> None:
    tx, rx = channel(2, overflow=policy)
    await tx.send("a")
    tx.send_nowait("b")
    assert await rx.receive_many(9) == ["a", "b"]


@each_policy
async def test_ch03_a_receive_waits_while_there_is_no_item(trial: Trial, channel: Channel, policy: Policy) -> None:
    tx, rx = channel(1, overflow=policy)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    assert await receiving == "a"


@each_policy
async def test_ch06_waiting_receivers_are_served_in_the_order_of_arrival(
    trial: Trial, channel: Channel, policy: Policy
) -> None:
    tx, rx = channel(4, overflow=policy)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(4)]
    for item in range(4):
        await tx.send(item)
    assert [await each for each in receiving] == [0, 1, 2, 3]


@each_way
async def test_ch19_reject_refuses_what_does_not_fit(channel: Channel, how: str) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow="reject", on_undelivered=lost.append)
    for item in "ab":
        await _send(tx, item, how)
    with pytest.raises(ap.ChannelFull) as full:
        await _send(tx, "c", how)
    assert full.value.item == "c"
    assert await rx.receive_many(9) == ["a", "b"]
    assert (lost, rx.statistics().dropped) == ([], 0)  # it was never accepted


@each_way
async def test_ch19_drop_new_drops_what_does_not_fit(channel: Channel, how: str) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow="drop_new", on_undelivered=lost.append)
    for item in "abcd":
        await _send(tx, item, how)
    assert await rx.receive_many(9) == ["a", "b"]
    assert (lost, rx.statistics().dropped) == (["c", "d"], 2)


@each_way
async def test_ch19_drop_old_makes_room_for_the_new(channel: Channel, how: str) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow="drop_old", on_undelivered=lost.append)
    for item in "abcd":
        await _send(tx, item, how)
    assert await rx.receive_many(9) == ["c", "d"]
    assert (lost, rx.statistics().dropped) == (["a", "b"], 2)


@each_way
async def test_ch19_latest_keeps_the_last_item(channel: Channel, how: str) -> None:
    lost: list[str] = []
    tx, rx = channel(1, overflow="latest", on_undelivered=lost.append)
    for item in "abc":
        await _send(tx, item, how)
    assert await rx.receive() == "c"
    assert lost == ["a", "b"]


async def test_ch19_a_batch_overflows_item_by_item(channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow="drop_old", on_undelivered=lost.append)
    await tx.send_many("abcde")
    assert await rx.receive_many(9) == ["d", "e"]
    assert lost == ["a", "b", "c"]


async def test_ch19_a_batch_that_is_rejected_tells_the_unsent_rest(channel: Channel) -> None:
    tx, rx = channel(2, overflow="reject")
    with pytest.raises(ap.ChannelFull) as full:
        await tx.send_many("abcde")
    assert full.value.items == ("c", "d", "e")
    assert await rx.receive_many(9) == ["a", "b"]


async def test_ch19_what_is_dropped_is_not_taken_from_a_woken_receiver(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(1, overflow="latest", on_undelivered=lost.append)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("old")  # wakes the receiver, which has not run
    tx.send_nowait("new")
    assert await receiving == "new"
    assert lost == ["old"]
    with pytest.raises(ap.ChannelEmpty):
        rx.receive_nowait()


@each_policy
async def test_ch19_a_reserved_place_is_never_overflown(channel: Channel, policy: Policy) -> None:
    lost: list[str] = []
    tx, rx = channel(1, overflow=policy, on_undelivered=lost.append)
    async with tx.reserve() as permit:
        if policy == "reject":
            with pytest.raises(ap.ChannelFull):
                tx.send_nowait("x")
        else:
            tx.send_nowait("x")
            assert lost == ["x"]
        permit.send("sure")
    assert await rx.receive_many(9) == ["sure"]


@each_policy
async def test_ch12_the_length_never_exceeds_the_capacity(channel: Channel, policy: Policy) -> None:
    tx, rx = channel(2, overflow=policy)
    for item in range(5):
        try:
            tx.send_nowait(item)
        except ap.ChannelFull:
            pass
        assert rx.statistics().length <= 2
    assert rx.statistics().peak == 2


@each_policy
async def test_ch21_the_channel_ends_when_the_last_sender_closes(channel: Channel, policy: Policy) -> None:
    tx, rx = channel(2, overflow=policy)
    await tx.send_many("ab")
    tx.close()
    assert [item async for item in rx] == ["a", "b"]


@each_policy
async def test_ch22_closing_the_last_receiver_breaks_the_channel(
    trial: Trial, channel: Channel, policy: Policy
) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow=policy, on_undelivered=lost.append)
    await tx.send_many("ab")
    rx.close()
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"
    assert lost == ["a", "b"]


@each_policy
async def test_ch26_abort_discards_the_buffer(trial: Trial, channel: Channel, policy: Policy) -> None:
    lost: list[str] = []
    tx, rx = channel(2, overflow=policy, on_undelivered=lost.append)
    await tx.send("a")
    rx.abort(ValueError("poison"))
    assert (await trial.fails(ap.ChannelAborted, tx.send("late"))).item == "late"
    await trial.fails(ap.ChannelAborted, rx.receive())
    assert lost == ["a"]


@each_policy
async def test_ch60_statistics_are_exact(channel: Channel, policy: Policy) -> None:
    tx, rx = channel(2, overflow=policy, name="meter")
    await tx.send_many("ab")
    assert rx.statistics() == ("meter", 2, 2, 1, 1, 0, 0, 2, 0, (0.0, 0.0))
