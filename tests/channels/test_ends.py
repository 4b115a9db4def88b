"""The handles of a channel: close, clone, drop, move, and what each says (CH-23 to CH-25, CH-31, CH-32)."""

from __future__ import annotations

import asyncio
import copy
import gc
import warnings
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time


def drop(ends: list[Any]) -> None:
    """Forget the last references to some ends."""
    ends.clear()
    gc.collect()


capacities = pytest.mark.parametrize("capacity", [0, 1, float("inf")])


@capacities
async def test_ch14_items_pass_by_reference(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    item = ["a list"]
    sending = trial.start(tx.send, item)
    assert await rx.receive() is item
    await sending


@capacities
@pytest.mark.parametrize("first", ["sender", "receiver"])
async def test_ch14_a_codec_shows_what_would_be_shared_across_a_link(
    trial: Trial, channel: Channel, capacity: float, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "codec", copy.deepcopy)
    tx, rx = channel(capacity)
    item = ["a list"]
    if first == "sender":
        sending = trial.start(tx.send, item)
        await trial.waits()
        received = await rx.receive()
    else:
        receiving = await trial.started_and_waiting(rx.receive)
        sending = trial.start(tx.send, item)
        received = await receiving
    await sending
    assert received == item
    assert received is not item


@capacities
async def test_ch15_none_is_an_ordinary_item(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    sending = trial.start(tx.send_many, [None, None])
    assert [await rx.receive(), await rx.receive()] == [None, None]
    await sending
    tx.close()
    with pytest.raises(ap.EndOfChannel):
        await rx.receive()


async def test_ch23_closing_a_handle_fails_the_operations_that_wait_on_it(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    rx.close()
    await trial.fails(ap.ChannelClosed, receiving)
    with pytest.raises(ap.ChannelBroken):
        await tx.send("x")


async def test_ch23_operations_on_other_handles_go_on(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    other = rx.clone()
    trial.keep(other)
    mine = await trial.started_and_waiting(rx.receive)
    theirs = await trial.started_and_waiting(other.receive)
    rx.close()
    await tx.send("x")
    assert await theirs == "x"
    await trial.fails(ap.ChannelClosed, mine)


@capacities
async def test_ch23_a_receive_that_was_woken_loses_its_item_to_the_next(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    other = rx.clone()
    trial.keep(other)
    mine = await trial.started_and_waiting(rx.receive)
    theirs = await trial.started_and_waiting(other.receive)
    tx.send_nowait("x")  # wakes `mine`
    rx.close()
    await trial.fails(ap.ChannelClosed, mine)
    assert await trial.soon(theirs) == "x"


async def test_ch23_the_slot_of_a_closed_woken_sender_goes_to_the_next(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    other = tx.clone()
    trial.keep(other)
    await tx.send("a")
    mine = await trial.started_and_waiting(tx.send, "mine")
    theirs = await trial.started_and_waiting(other.send, "theirs")
    assert rx.receive_nowait() == "a"  # wakes `mine`
    tx.close()
    assert (await trial.fails(ap.ChannelClosed, mine)).item == "mine"
    await trial.soon(theirs)
    assert rx.receive_nowait() == "theirs"


async def test_ch24_close_is_idempotent_and_counts_once(channel: Channel) -> None:
    tx, rx = channel(1)
    with tx.clone() as other:
        tx.close()
        tx.close()
        await other.send("still open")
        assert rx.statistics().senders == 1
    assert await rx.receive() == "still open"


async def test_ch24_close_is_legal_in_a_cancelled_task(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)

    async def wait_and_close() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            tx.close()

    await trial.cancel(await trial.started_and_waiting(wait_and_close))
    with pytest.raises(ap.EndOfChannel):
        await rx.receive()


def test_ch24_close_needs_no_running_loop() -> None:
    tx, rx = ap.open_channel[int](2)
    tx.send_nowait(1)
    tx.close()
    assert rx.receive_nowait() == 1
    with pytest.raises(ap.EndOfChannel):
        rx.receive_nowait()
    rx.close()


async def test_ch24_ends_are_context_managers(channel: Channel) -> None:
    tx, rx = channel(1)
    async with tx as sender, rx as receiver:
        assert (sender, receiver) == (tx, rx)
    assert (tx.closed, rx.closed) == (True, True)


async def test_ch25_a_dropped_sender_warns_and_is_closed(trial: Trial) -> None:
    tx, rx = ap.open_channel[int](1, name="dropped")
    trial.keep(rx)
    receiving = await trial.started_and_waiting(rx.receive)
    ends = [tx]
    del tx
    with pytest.warns(ResourceWarning, match="open Sender of dropped was dropped"):
        drop(ends)
    await trial.fails(ap.EndOfChannel, receiving)


async def test_ch25_a_dropped_receiver_warns_and_is_closed(trial: Trial) -> None:
    tx, rx = ap.open_channel[int](1, name="dropped")
    trial.keep(tx)
    tx.send_nowait(1)
    sending = await trial.started_and_waiting(tx.send, 2)
    ends = [rx]
    del rx
    with pytest.warns(ResourceWarning, match="open Receiver of dropped was dropped"):
        drop(ends)
    await trial.fails(ap.ChannelBroken, sending)


async def test_ch25_a_closed_end_is_dropped_in_silence() -> None:
    tx, rx = ap.open_channel[int](1)
    tx.close()
    rx.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del tx, rx
        gc.collect()


async def test_ch31_every_refusal_of_an_item_carries_it(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send(0)
    with pytest.raises(ap.ChannelFull) as full:
        tx.send_nowait(1)
    rx.close()
    with pytest.raises(ap.ChannelBroken) as broken:
        tx.send_nowait(2)
    tx.close()
    with pytest.raises(ap.ChannelClosed) as closed:
        tx.send_nowait(3)
    assert [error.value.item for error in (full, broken, closed)] == [1, 2, 3]


@pytest.mark.parametrize("error", [
    ap.EndOfChannel, ap.ChannelBroken, ap.ChannelClosed, ap.ChannelAborted, ap.WouldBlock, ap.ChannelFull,
    ap.ChannelEmpty, ap.EndMoved, ap.WrongLoop, ap.AllClosed, ap.InvalidCapacity, ap.InvalidGuard, ap.Deadlock,
])  # fmt: skip
def test_ch31_every_error_is_an_actorpar_error(error: type[Exception]) -> None:
    assert issubclass(error, ap.ActorparError)


async def test_ch32_a_clone_shares_the_end_and_does_not_split_the_stream(channel: Channel) -> None:
    tx, rx = channel(4)
    with rx.clone() as other, tx.clone() as second:
        await tx.send("a")
        await second.send("b")
        assert [await other.receive(), await rx.receive()] == ["a", "b"]
        assert (rx.statistics().senders, rx.statistics().receivers) == (2, 2)


async def test_ch32_cloning_a_closed_end_is_refused(channel: Channel) -> None:
    tx, rx = channel(1)
    tx.close()
    rx.close()
    for end in (tx, rx):
        with pytest.raises(ap.ChannelClosed):
            end.clone()


async def test_ch63_an_end_that_was_moved_refuses_everything(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    owner = tx.move()
    trial.keep(owner)
    for operation in (tx.send("x"), tx.send_many(["x"])):
        with pytest.raises(ap.EndMoved):
            await operation
    with pytest.raises(ap.EndMoved):
        tx.clone()
    tx.close()  # a no-op: it is nobody's any more
    await owner.send("y")
    assert await rx.receive() == "y"


async def test_ch63_moving_an_end_fails_the_operations_that_wait_on_it(trial: Trial, channel: Channel) -> None:
    _tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    trial.keep(rx.move())
    await trial.fails(ap.EndMoved, receiving)
