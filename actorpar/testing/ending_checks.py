"""Checks of how a channel ends: close, break, abort, and what each tells to whom (CH-21 to CH-32)."""

from __future__ import annotations

import actorpar as ap

from .trial import BACK_PRESSURE, Checks, Trial, drain, refused, send_all

ENDING_CHECKS = Checks()
_check = ENDING_CHECKS.add


@_check("CH-21")
async def the_channel_ends_when_its_last_sender_closes(trial: Trial) -> None:
    tx, rx = trial.open(4)
    other = tx.clone()
    trial.keep(other)
    await send_all(tx, "ab")
    tx.close()
    await trial.soon(other.send("c"))
    other.close()
    assert [await trial.soon(rx.receive()) for _ in range(3)] == ["a", "b", "c"]
    for _ in range(2):
        await trial.fails(ap.EndOfChannel, rx.receive())


@_check("CH-21")
async def a_waiting_receiver_learns_that_the_channel_ended(trial: Trial) -> None:
    tx, rx = trial.open(1)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(2)]
    tx.close()
    for each in receiving:
        await trial.fails(ap.EndOfChannel, each)


@_check("CH-21")
async def async_for_stops_at_the_end(trial: Trial) -> None:
    tx, rx = trial.open(1)
    draining = await trial.started_and_waiting(drain, rx)
    await trial.soon(tx.send("last"))
    tx.close()
    assert await trial.soon(draining) == ["last"]


@_check("CH-22", BACK_PRESSURE)
async def closing_the_last_receiver_breaks_the_channel(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send("kept")
    sending = await trial.started_and_waiting(tx.send, "stuck")
    rx.close()
    assert (await trial.fails(ap.ChannelBroken, sending)).item == "stuck"
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"


@_check("CH-23")
async def closing_a_handle_fails_its_own_receive_and_no_other(trial: Trial) -> None:
    tx, rx = trial.open(1)
    other = rx.clone()
    trial.keep(other)
    mine = await trial.started_and_waiting(rx.receive)
    theirs = await trial.started_and_waiting(other.receive)
    rx.close()
    await trial.fails(ap.ChannelClosed, mine)
    await trial.waits(theirs)
    await trial.soon(tx.send("x"))
    assert await trial.soon(theirs) == "x"


@_check("CH-23", BACK_PRESSURE)
async def closing_a_handle_gives_the_item_of_its_pending_send_back(trial: Trial) -> None:
    tx, rx = trial.open(1)
    other = tx.clone()
    trial.keep(other)
    await tx.send(0)
    mine = await trial.started_and_waiting(tx.send, "mine")
    theirs = await trial.started_and_waiting(other.send, "theirs")
    tx.close()
    assert (await trial.fails(ap.ChannelClosed, mine)).item == "mine"
    await trial.waits(theirs)
    assert [await trial.soon(rx.receive()) for _ in range(2)] == [0, "theirs"]
    await trial.soon(theirs)


@_check("CH-24")
async def close_may_be_called_twice(trial: Trial) -> None:
    tx, rx = trial.open(1)
    tx.close()
    tx.close()
    rx.close()
    rx.close()


@_check("CH-26")
async def abort_wakes_everybody_and_is_sticky(trial: Trial) -> None:
    tx, rx = trial.open(2)
    other = rx.clone()
    trial.keep(other)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.abort(ValueError("poison"))
    errors = [await trial.fails(ap.ChannelAborted, receiving)]
    for _ in range(2):
        errors.append(await trial.fails(ap.ChannelAborted, other.receive()))
        errors.append(await trial.fails(ap.ChannelAborted, tx.send("late")))
    assert all("poison" in str(error.__cause__) for error in errors)
    assert errors[-1].item == "late"


@_check("CH-26", BACK_PRESSURE)
async def abort_from_a_receiver_discards_what_is_buffered(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send("buffered")
    sending = await trial.started_and_waiting(tx.send, "stuck")
    rx.abort(ValueError("poison"))
    assert (await trial.fails(ap.ChannelAborted, sending)).item == "stuck"
    await trial.fails(ap.ChannelAborted, rx.receive())


@_check("CH-27")
async def abort_after_drain_lets_the_buffer_be_received_first(trial: Trial) -> None:
    tx, rx = trial.open(2)
    await send_all(tx, "ab")
    tx.abort(ValueError("poison"), after_drain=True)
    await trial.fails(ap.ChannelAborted, tx.send("late"))
    assert [await trial.soon(rx.receive()) for _ in range(2)] == ["a", "b"]
    await trial.fails(ap.ChannelAborted, rx.receive())


@_check("CH-30")
async def the_nowait_operations_tell_empty_from_ended(trial: Trial) -> None:
    tx, rx = trial.open(1)
    refused(ap.ChannelEmpty, rx.receive_nowait)
    tx.close()
    await trial.settle()
    refused(ap.EndOfChannel, rx.receive_nowait)


@_check("CH-30", BACK_PRESSURE)
async def the_nowait_operations_tell_full_from_broken(trial: Trial) -> None:
    tx, rx = trial.open(1)
    tx.send_nowait("a")
    assert refused(ap.ChannelFull, tx.send_nowait, "b").item == "b"
    rx.close()
    await trial.settle()
    assert refused(ap.ChannelBroken, tx.send_nowait, "c").item == "c"


@_check("CH-31")
async def a_closed_handle_refuses_and_gives_the_item_back(trial: Trial) -> None:
    tx, rx = trial.open(1)
    tx.close()
    rx.close()
    assert (await trial.fails(ap.ChannelClosed, tx.send("x"))).item == "x"
    await trial.fails(ap.ChannelClosed, rx.receive())


@_check("CH-32")
async def a_clone_shares_the_end(trial: Trial) -> None:
    tx, rx = trial.open(4)
    other_tx, other_rx = tx.clone(), rx.clone()
    trial.keep(other_tx, other_rx)
    await trial.soon(tx.send(1))
    await trial.soon(other_tx.send(2))
    assert [await trial.soon(other_rx.receive()), await trial.soon(rx.receive())] == [1, 2]
    tx.close()
    refused(ap.ChannelClosed, tx.clone)
