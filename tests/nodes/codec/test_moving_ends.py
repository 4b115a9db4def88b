"""Ends and references inside messages: found by the declared type, given up only by the encoding that goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy
import pytest
from msgspec.msgpack import Ext

import actorpar as ap
from actorpar.nodes.codec.port import PORTABLE, NoPort
from actorpar.nodes.codec.schema import Schema, register_portable, schema_of
from actorpar.nodes.errors import CodecError
from tests.nodes.codec.declared import DATA, ENDS, Ends, Loose, Order, ends_in, example


@pytest.fixture
def port() -> Iterator[Ends]:
    port = Ends()
    yield port
    port.close()


@pytest.fixture
def tx() -> Iterator[ap.Sender[Any]]:
    tx, rx = ap.open_channel[Any](1)
    yield tx
    tx.close()
    rx.close()


def test_net20_ends_are_found_by_the_declared_type() -> None:
    assert all(schema_of(declared).has_ends for declared in ENDS)
    assert schema_of(dict[str, list[Order | None]]).has_ends
    assert not any(schema_of(declared).has_ends for declared, _ in DATA)


@pytest.mark.parametrize("declared", ENDS, ids=str)
def test_net20_an_end_crosses_wherever_the_declared_type_has_one(declared: Any, port: Ends) -> None:
    tx, rx = ap.open_channel[Any](1)
    item = example(declared, tx, rx)
    ends = ends_in(item)
    body, buffers = schema_of(declared).encode([item], port)
    assert all(end.closed for end in ends)  # given away
    assert len(port.exported) == len(ends)
    (came,) = schema_of(declared).decode(body, [bytearray(each) for each in buffers], port)
    assert [type(end) for end in ends_in(came)] == [type(end) for end in ends]
    assert port.open() == len(ends)
    for end in (tx, rx):
        end.close()


def test_net20_where_an_end_may_be_and_none_is_nothing_is_exported(port: Ends) -> None:
    schema = schema_of(ap.Sender[int] | None)
    body, _ = schema.encode([None, None], port)
    assert schema.decode(body, [], port) == [None, None]
    assert port.exported == []


@pytest.mark.parametrize("declared", [Any, dict[str, Any], object, dict[str, object], list])
def test_net20_an_untyped_payload_that_holds_an_end_is_refused(declared: Any, tx: ap.Sender[Any], port: Ends) -> None:
    with pytest.raises(CodecError, match="only where the declared type has one"):
        schema_of(declared).encode([{"end": [tx]}], port)
    assert not tx.closed


def test_net20_an_end_in_a_place_for_anything_is_refused_beside_ends_that_are_declared(
    tx: ap.Sender[Any], port: Ends
) -> None:
    other, rx = ap.open_channel[int](1)
    with pytest.raises(CodecError, match="stands where"):
        schema_of(Loose).encode([Loose([rx], {"hidden": tx})], port)
    assert not tx.closed
    assert not rx.closed
    assert port.exported == []
    body = msgspec.msgpack.encode([{"ends": [Ext(3, b"e0")], "rest": {"hidden": Ext(3, b"e1")}}])
    with pytest.raises(CodecError, match="stands where"):
        schema_of(Loose).decode(body, [], port)
    assert port.open() == 0
    rx.close()
    other.close()


@pytest.mark.parametrize("other", [object, Any, bytes, dict[str, object], numpy.ndarray])
def test_a9_a_description_in_a_place_for_something_else_is_refused(other: Any, port: Ends) -> None:
    place: Any = {"k": Ext(3, b"e1")} if other == dict[str, object] else Ext(3, b"e1")
    body = msgspec.msgpack.encode([[Ext(3, b"e0"), place]])
    with pytest.raises(CodecError):
        schema_of(tuple[ap.Sender[int], other]).decode(body, [bytearray(1)], port)
    assert len(port.accepted) <= 1
    assert port.open() == 0


@pytest.mark.parametrize("wrong", ["an int that is too large", "the end once more", "no end"])
def test_net20_a_batch_that_cannot_be_encoded_leaves_every_end_where_it_is(wrong: str, port: Ends) -> None:
    tx, rx = ap.open_channel[str](1)
    other = tx.clone()
    no_end: Any = object()
    bad = {"an int that is too large": Order(2**70, other), "the end once more": Order(2, tx)}
    with pytest.raises(CodecError):
        schema_of(Order).encode([Order(1, tx), bad.get(wrong) or Order(2, no_end)], port)
    assert not tx.closed
    assert not other.closed
    assert port.exported == []
    for end in (tx, rx, other):
        end.close()


def test_net20_an_end_that_was_given_away_before_is_refused(port: Ends) -> None:
    tx, rx = ap.open_channel[str](1)
    heir = tx.move()
    with pytest.raises(CodecError, match="closed or given away before"):
        schema_of(Order).encode([Order(1, tx)], port)
    for end in (heir, rx):
        end.close()


def test_net20_an_end_that_came_with_a_bad_item_is_closed_and_those_of_good_ones_are_accepted_once(port: Ends) -> None:
    schema = Schema(Order)
    good = {"number": 1, "answer": Ext(3, b"e0")}
    bad = [{"answer": Ext(3, b"e1"), "number": "one"}, {"number": 2}, {"number": 3, "answer": Ext(3, b"x")}]
    body = memoryview(bytearray(msgspec.msgpack.encode([good, *bad, good])))
    with pytest.raises(CodecError):
        schema.decode(body, [], port)
    first, *refused, last = schema.decode_each(body, [], port)
    assert [type(each) for each in refused] == [CodecError] * 3
    assert len(port.accepted) == 3
    assert port.open() == 2
    assert not first.answer.closed
    assert not last.answer.closed


@pytest.mark.parametrize("came", [5, None, "x", b"e0", [1], {"a": 1}])
def test_a9_what_is_no_description_does_not_become_an_end(came: Any, port: Ends) -> None:
    for declared in (ap.Sender[int], ap.Receiver[str], list[ap.Sender[int]]):
        body = msgspec.msgpack.encode([[came] if declared == list[ap.Sender[int]] else came])
        with pytest.raises(CodecError):
            schema_of(declared).decode(body, [], port)
    assert port.accepted == []


class Reference:
    """Something that names an actor."""

    def __init__(self, name: str) -> None:
        self.name = name


class References:
    """A port for references alone."""

    def export(self, value: Any) -> bytes:
        return str(value.name).encode()

    def accept(self, declared: Any, data: bytes) -> Any:
        return Reference(data.decode())


def test_a_class_that_registers_crosses_by_description_and_may_be_in_a_message_twice() -> None:
    with pytest.raises(CodecError, match="is no data"):
        schema_of(list[Reference])
    register_portable(Reference)
    try:
        schema, reference = schema_of(list[Reference]), Reference("worker")
        assert schema.has_ends
        body, _ = schema.encode([[reference, reference]], References())
        (came,) = schema.decode(body, [], References())
        assert [each.name for each in came] == ["worker", "worker"]
        with pytest.raises(CodecError, match="only where"):
            schema_of(Any).encode([reference], References())
    finally:
        PORTABLE.remove(Reference)


def test_where_nothing_but_data_may_cross_an_end_is_refused(tx: ap.Sender[Any]) -> None:
    with pytest.raises(CodecError, match="more than data"):
        schema_of(Order).encode([Order(1, tx)], NoPort())
    with pytest.raises(CodecError, match="more than data"):
        schema_of(Order).decode(msgspec.msgpack.encode([{"number": 1, "answer": Ext(3, b"")}]), [], NoPort())
    assert not tx.closed


class Inside:
    """A port that uses the schema that it is used by, as a channel does whose buffer goes along."""

    def __init__(self, schema: Schema, ends: Ends) -> None:
        self.schema = schema
        self.ends = ends
        self.depth = 0

    def export(self, value: Any) -> bytes:
        if not self.depth:
            self.depth += 1
            self.schema.encode([Order(9, value.clone())], self)
            self.depth -= 1
        return self.ends.export(value)

    def accept(self, declared: Any, data: bytes) -> Any:
        if not self.depth:
            self.depth += 1
            self.schema.decode(msgspec.msgpack.encode([{"number": 9, "answer": Ext(3, b"e0")}]), [], self)
            self.depth -= 1
        return self.ends.accept(declared, data)


def test_a_port_may_use_the_schema_that_it_is_used_by(port: Ends) -> None:
    schema = Schema(Order)
    inside = Inside(schema, port)
    tx, rx = ap.open_channel[str](1)
    body, _ = schema.encode([Order(1, tx.clone()), Order(2, tx)], inside)
    first, second = schema.decode(body, [], inside)
    assert (first.number, second.number) == (1, 2)
    assert port.open() == 4
    rx.close()
