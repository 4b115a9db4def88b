"""The wire of the campaign does what it is told, and counts it. The campaign itself: `python -m tests.chaos`."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.network import can_be_made
from tests.chaos.relay import Lane, Relay

PACKETS = 400


class Wire:
    """A lane whose ends are sockets in the place of devices."""

    def __init__(self, stack: ExitStack) -> None:
        self.here, near = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.there, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.here, near, self.there, far):
            stack.enter_context(end)
            end.setblocking(False)
        self.lane = Lane(near.fileno(), far.fileno())
        self._relay = Relay([self.lane], seed=1)
        self._relay.start()
        stack.callback(self._relay.join)
        stack.callback(setattr, self._relay, "is_over", True)

    def carry(self, source: socket.socket, to: socket.socket) -> list[int]:
        """Send numbered packets one by one; those that came, until nothing comes any more."""
        came: list[int] = []
        for number in range(PACKETS):
            select.select([], [source], [], 5)
            os.write(source.fileno(), number.to_bytes(4, "big"))
            came += self._read(to, 0.0)
        while more := self._read(to, 0.3):
            came += more
        return came

    def _read(self, to: socket.socket, seconds: float) -> list[int]:
        came = []
        while select.select([to], [], [], seconds)[0]:
            came.append(int.from_bytes(os.read(to.fileno(), 16), "big"))
        return came


@pytest.fixture
def wire() -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(stack)


def test_a_sound_wire_carries_everything_in_order_both_ways(wire: Wire) -> None:
    assert wire.carry(wire.here, wire.there) == list(range(PACKETS))
    assert wire.carry(wire.there, wire.here) == list(range(PACKETS))
    assert wire.lane.counted == {"packets": 2 * PACKETS}


def test_a_cut_is_of_one_way_until_it_heals(wire: Wire) -> None:
    wire.lane.to_far_cut = True
    assert wire.carry(wire.here, wire.there) == []
    assert wire.carry(wire.there, wire.here) == list(range(PACKETS))
    assert wire.lane.counted["cut"] == PACKETS
    wire.lane.heal()
    assert wire.carry(wire.here, wire.there) == list(range(PACKETS))


def test_what_is_lost_doubled_and_out_of_order_is_counted(wire: Wire) -> None:
    wire.lane.loss = wire.lane.doubled = wire.lane.reordered = 0.2
    came = wire.carry(wire.here, wire.there)
    counted = wire.lane.counted
    assert len(set(came)) == PACKETS - counted["lost"]
    assert len(came) - len(set(came)) == counted["doubled"]
    assert came != sorted(came)
    assert min(counted["lost"], counted["doubled"], counted["reordered"]) > PACKETS // 20


@pytest.mark.slow
@pytest.mark.skipif(not can_be_made(), reason="network namespaces cannot be made here")
async def test_a_short_campaign_breaks_no_promise(tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    report = await Campaign(Path(tmp_path), each=1, seconds=60.0, seed=2).run()
    assert report["broken"] == []
