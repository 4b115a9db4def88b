"""Typed MessagePack: what is declared comes as it was sent, and what cannot is refused with its reason."""

from __future__ import annotations

import array
import datetime
import decimal
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.nodes.codec.port import NoPort
from actorpar.nodes.codec.schema import MOST_PARTS, UNTYPED, schema_of
from actorpar.nodes.codec.weight import is_heavy, is_many
from actorpar.nodes.errors import CodecError, ItemTypeError
from tests.nodes.codec.declared import DATA, PAGE, Cat, Color, Dog, Level, Options, Page, Pair, Point, Record, Tree
from tests.nodes.codec.through import through

UTC: Final = datetime.UTC

#: Types and all their values.
VALUES: Final[list[tuple[Any, st.SearchStrategy[Any]]]] = [
    (int, st.integers(-(2**63), 2**64 - 1)), (str, st.text()), (bytes, st.binary(max_size=40_000)),
    (bool, st.booleans()), (float, st.floats(allow_nan=False)),
    (datetime.datetime, st.datetimes(timezones=st.just(UTC))),
    (datetime.date, st.dates()), (datetime.time, st.times()), (uuid.UUID, st.uuids()),
    (datetime.timedelta, st.timedeltas(datetime.timedelta(days=-9999), datetime.timedelta(days=9999))),
    (decimal.Decimal, st.decimals(allow_nan=False)), (Color, st.sampled_from(Color)), (Level, st.sampled_from(Level)),
    (Literal["a", 1], st.sampled_from(["a", 1])), (Point, st.builds(Point, st.integers(0, 9), st.floats(0, 1))),
    (Options, st.fixed_dictionaries({}, optional={"depth": st.integers(0, 9), "names": st.lists(st.text())})),
    (Record, st.builds(Record, st.text(), st.sets(st.text()))),
    (Cat | Dog, st.builds(Cat, st.integers(0, 9)) | st.builds(Dog, st.text())),
    (Tree, st.recursive(st.builds(Tree, st.integers(0, 9)), lambda more: st.builds(Tree, st.just(1), st.lists(more)))),
    (Pair[str], st.builds(Pair, st.text(), st.text())), (bytearray, st.binary().map(bytearray)),
]  # fmt: skip


def containers(of: tuple[Any, st.SearchStrategy[Any]]) -> list[tuple[Any, st.SearchStrategy[Any]]]:
    """Types that hold values of a type."""
    declared, values = of
    return [
        (declared, values),
        (list[declared], st.lists(values, max_size=4)),  # type: ignore[valid-type]
        (dict[str, declared], st.dictionaries(st.text(), values, max_size=4)),  # type: ignore[valid-type]
        (tuple[declared, int], st.tuples(values, st.integers(0, 9))),  # type: ignore[valid-type]
        (tuple[declared, ...], st.lists(values, max_size=4).map(tuple)),  # type: ignore[valid-type]
        (declared | None, st.none() | values),
    ]


@pytest.mark.parametrize(("declared", "item"), DATA, ids=lambda each: repr(each)[:40])
def test_what_is_declared_comes_as_it_was_sent(declared: Any, item: Any) -> None:
    assert through(declared, item, item) == [item, item]
    schema_of(declared).check(item)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_value_of_every_type_comes_as_it_was_sent(data: st.DataObject) -> None:
    declared, values = data.draw(st.sampled_from([inside for each in VALUES for inside in containers(each)]))
    items = data.draw(st.lists(values, max_size=5))
    came = through(declared, *items)
    assert came == items
    assert [type(each) for each in came] == [type(each) for each in items]


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda more: st.lists(more) | st.dictionaries(st.text(), more), max_leaves=20,
))  # fmt: skip
def test_plain_data_comes_as_it_was_sent_where_nothing_is_declared(item: Any) -> None:
    assert through(Any, item) == [item]
    assert through(dict[str, Any], {"k": item}) == [{"k": item}]


def test_an_int_arrives_as_the_float_that_is_declared() -> None:
    (came,) = through(float, 2)
    assert (came, type(came)) == (2.0, float)


def test_numbers_of_numpy_are_sent_as_numbers() -> None:
    assert through(list[float], [numpy.float64(1.5), numpy.int32(2)]) == [[1.5, 2.0]]
    assert through(Any, {"n": numpy.bool_(True)}) == [{"n": True}]


def test_memory_of_any_kind_arrives_as_bytes_where_nothing_is_declared() -> None:
    numbers = array.array("d", [1.0, 2.0])
    assert through(Any, numbers) == [numbers.tobytes()]
    (view,) = through(Any, array.array("d", range(4000)))
    assert bytes(view) == array.array("d", range(4000)).tobytes()


@pytest.mark.parametrize("declared", [memoryview, msgspec.Raw, list[memoryview], dict[str, msgspec.Raw]])
def test_a_view_does_not_show_what_comes_later_into_the_same_memory(declared: Any) -> None:
    value: Any = memoryview(b"kept") if "memoryview" in str(declared) else msgspec.Raw(b"\xa4kept")
    item = [value] if "list" in str(declared) else {"k": value} if "dict" in str(declared) else value
    (came,) = through(declared, item)
    came = came[0] if isinstance(came, list) else came["k"] if isinstance(came, dict) else came
    assert b"kept" in bytes(came)


@pytest.mark.parametrize(
    ("declared", "item"),
    [
        (int, "x"), (str, 1), (Page, {"url": ""}), (Literal["a"], 1), (list[int], (1,)), (Point, (1, 2)),
        (int | None, "x"), (Options, []), (None, 0), (numpy.ndarray, [1]),
    ],
)  # fmt: skip
def test_net08_the_outer_type_is_checked_before_anything_is_sent(declared: Any, item: Any) -> None:
    with pytest.raises(ItemTypeError) as refused:
        schema_of(declared).check(item)
    assert refused.value.item is item


def test_net08_a_deeper_mismatch_is_found_where_it_is_decoded() -> None:
    schema = schema_of(list[int])
    body, _ = schema.encode([[1], ["x"], [2]], NoPort())
    with pytest.raises(CodecError, match="Expected `int`"):
        schema.decode(body, [], NoPort())
    first, second, third = schema.decode_each(body, [], NoPort())
    assert (first, third) == ([1], [2])
    assert isinstance(second, CodecError)


@pytest.mark.parametrize(
    ("declared", "item", "reason"),
    [
        (Any, object(), "a object cannot be sent"), (Any, threading.Lock(), "cannot be sent"), (int, 2**70, "ints"),
        (str, "\ud800", "surrogates"), (Any, (n for n in [1]), "a generator"), (int, numpy.zeros(3), "no place"),
        (list[int], [array.array("b")], "no place"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_data_is_refused_with_its_type(declared: Any, item: Any, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        through(declared, item)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(CodecError, match="recursion"):
        through(Any, endless)


@pytest.mark.parametrize("declared", [Any, object, list, dict[str, Any], list[list[object]], Pair[Any], tuple])
def test_net40_what_says_any_somewhere_is_capped_on_both_sides(declared: Any) -> None:
    inner: list[Any] = [[]] * (UNTYPED + 10)
    item: Any = {Any: inner, object: inner, list: inner, dict[str, Any]: {"k": inner}, list[list[object]]: [inner],
                 tuple: tuple(inner), Pair[Any]: Pair(inner, 1)}[declared]  # fmt: skip
    schema = schema_of(declared)
    with pytest.raises(CodecError, match="declare the type"):
        schema.encode([item], NoPort())
    body = msgspec.msgpack.encode([item, item])
    with pytest.raises(CodecError, match="untyped data came"):
        schema.decode(body, [], NoPort())
    assert [type(each) for each in schema.decode_each(body, [], NoPort())] == [CodecError, CodecError]


def test_net40_many_small_items_are_capped_together() -> None:
    body = msgspec.msgpack.encode([[[]] * 1000] * (UNTYPED // 1000 + 1))
    parts = schema_of(Any).decode_each(body, [], NoPort())
    assert {type(part) for part in parts} == {CodecError}


def test_net40_bytes_are_not_capped_wherever_they_are() -> None:
    large = bytes(UNTYPED * 2)
    assert through(Any, large) == [large]
    assert through(Any, {"deep": [large]}) == [{"deep": [large]}]
    assert through(dict[str, Any], {"deep": large}) == [{"deep": large}]
    assert through(list[int], list(range(UNTYPED))) == [list(range(UNTYPED))]


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=300) | st.datetimes(),
    lambda more: st.lists(more) | st.dictionaries(st.text(), more), max_leaves=30,
), st.binary(max_size=70_000))  # fmt: skip
def test_the_weight_of_a_text_is_its_length_without_the_contents_of_its_byte_strings(item: Any, data: bytes) -> None:
    body = msgspec.msgpack.encode([item, data, item])
    weight = len(body) - len(data)
    assert is_heavy(body, weight - 1)
    assert not is_heavy(body, weight)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 17, 300, 70_000])
def test_the_contents_of_extensions_weigh_nothing_or_little(size: int) -> None:
    body = msgspec.msgpack.encode([msgspec.msgpack.Ext(1, bytes(size))] * 100)
    assert is_heavy(body, 150)
    assert not is_heavy(body, 2000)
    least, most = 0, len(body)
    while least < most:  # the weight itself
        middle = (least + most) // 2
        least, most = (middle + 1, most) if is_heavy(body, middle) else (least, middle)
    head = {1: 2, 2: 2, 4: 2, 8: 2, 16: 2, 17: 3, 300: 4, 70_000: 6}[size]
    assert least == 3 + 100 * (head + (size if size <= 16 else 0))


def test_net40_every_value_counts_as_one_whatever_its_size() -> None:
    values: Any = ["x" * 300, b"y" * 70_000, 2**40, -1.5, None, {"a": [1, 2]}, msgspec.msgpack.Ext(5, b"z" * 9)]
    body = msgspec.msgpack.encode(values)
    count = 1 + len(values) + 4
    assert is_many(body, count - 1)
    assert not is_many(body, count)


def test_a_batch_that_is_not_all_right_is_looked_through_item_by_item_up_to_a_number_of_them() -> None:
    schema = schema_of(int)
    body = msgspec.msgpack.encode([None] * (MOST_PARTS + 1))
    with pytest.raises(CodecError, match="may come in a batch"):
        schema.decode_each(body, [], NoPort())


@dataclass
class Fragile:
    number: int

    def __post_init__(self) -> None:
        if self.number == 7:
            raise ZeroDivisionError("seven")


@pytest.mark.parametrize("declared", [Fragile, Fragile | None, tuple[Fragile, Any]])
def test_what_a_class_of_the_program_raises_for_what_came_is_a_codec_error(declared: Any) -> None:
    item: Any = [{"number": 7}, 1] if declared == tuple[Fragile, Any] else {"number": 7}
    with pytest.raises(CodecError, match="ZeroDivisionError: seven"):
        schema_of(declared).decode(msgspec.msgpack.encode([item]), [], NoPort())


@dataclass
class Nested:
    number: int
    pixels: numpy.ndarray

    def __post_init__(self) -> None:
        if self.number:
            again: Any = Nested(self.number - 1, self.pixels)
            assert numpy.array_equal(through(Nested, again)[0].pixels, self.pixels)


def test_a_schema_may_be_used_while_it_is_used() -> None:
    pixels = numpy.arange(20_000)
    one, other = through(Nested, Nested(0, pixels), Nested(0, pixels + 1))
    body, buffers = schema_of(Nested).encode([Nested(0, pixels), Nested(0, pixels + 1)], NoPort())
    body = body.replace(b"\xa6number\x00", b"\xa6number\x02")
    first, second = schema_of(Nested).decode(body, [bytearray(each) for each in buffers], NoPort())
    assert numpy.array_equal(first.pixels, one.pixels)
    assert numpy.array_equal(second.pixels, other.pixels)


@pytest.mark.parametrize(
    "declared",
    [
        ap.Sender[int] | ap.Receiver[int], threading.Thread, list[complex], Callable[[int], int], dict[str, range],
        array.array,
    ],
)  # fmt: skip
def test_a_type_that_no_link_can_carry_is_refused_when_it_is_declared(declared: Any) -> None:
    with pytest.raises(CodecError, match="cannot cross a link"):
        schema_of(declared)


def test_a_type_has_the_same_name_on_every_node() -> None:
    assert schema_of(str | int | None).name == schema_of(None | int | str).name == "None | int | str"
    assert schema_of(dict[str, list[Point]]).name == f"dict[str, list[{Point.__module__}.Point]]"
    assert schema_of(type(PAGE)).name == f"{Page.__module__}.Page"
