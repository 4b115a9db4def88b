"""What a sending end has on its way: bounded in bytes, never stuck, and known item by item (NET-4, NET-35)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.remote.credit import UNTOLD, WINDOW
from actorpar.nodes.remote.flights import FIRST_BATCH, Flights
from actorpar.nodes.remote.ops import Credit


def test_net04_while_nothing_is_known_of_their_size_a_few_items_go() -> None:
    assert Flights().batch_size(1000, "text") == FIRST_BATCH
    assert Flights().batch_size(3, "text") == 3
    assert Flights().batch_size(1000, bytes(1 << 20)) == 4


def test_net04_one_item_that_is_larger_than_the_window_goes_alone() -> None:
    flights = Flights()
    assert flights.batch_size(5, bytes(2 * WINDOW)) == 1
    flights.sent([bytes(2 * WINDOW)], 2 * WINDOW)
    assert flights.batch_size(4, b"") == 0


def test_net04_what_is_too_little_to_be_told_keeps_no_item_waiting() -> None:
    flights = Flights()
    flights.sent(["large"], 4 * WINDOW)
    flights.told(Credit(1, 0, 1, 4 * WINDOW))
    flights.sent(["small"], UNTOLD - 1)
    assert flights.batch_size(9, "next") == 1  # the home tells nothing for so few bytes, so it must not be waited for
    flights.sent(["small"], 1)
    assert flights.batch_size(9, "next") == 0


sizes = st.integers(1, 2 * WINDOW)


@given(st.lists(st.tuples(sizes, st.booleans()), max_size=60))
def test_net04_at_most_a_window_is_on_its_way_or_one_batch_behind_little(steps: list[tuple[int, bool]]) -> None:
    flights = Flights()
    way: list[tuple[int, int]] = []
    items = received = freed = 0
    for size, receives in steps:
        before = sum(bytes_ for _, bytes_ in way)
        most = flights.batch_size(7, bytes(min(size, 9)))
        if most:
            flights.sent(list(range(items, items + most)), most * size)
            items += most
            way.append((most, most * size))
            assert before < WINDOW
        else:
            assert before >= UNTOLD
        if receives and way:
            count, bytes_ = way.pop(0)
            received, freed = received + count, freed + bytes_
            flights.told(Credit(1, 0, received, freed))
        assert flights.unknown() == tuple(range(received, items))


@given(st.lists(st.integers(1, 5), max_size=20), st.data())
def test_net35_unknown_are_the_items_behind_those_that_were_received(batches: list[int], data: st.DataObject) -> None:
    flights = Flights()
    items = 0
    for count in batches:
        flights.sent(list(range(items, items + count)), count)
        items += count
    received = 0
    while received < items:
        received = data.draw(st.integers(received + 1, items))
        flights.told(Credit(1, 0, received, 0))
        assert flights.unknown() == tuple(range(received, items))


def test_net35_a_home_that_takes_back_what_it_told_breaks_the_protocol() -> None:
    flights = Flights()
    flights.sent([1, 2, 3], 3)
    flights.told(Credit(1, 0, 2, 0))
    with pytest.raises(ProtocolError, match="2 items were received, and now 1"):
        flights.told(Credit(1, 0, 1, 0))
    flights.clear()
    assert flights.unknown() == ()
