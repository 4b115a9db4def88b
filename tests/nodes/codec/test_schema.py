"""Typed MessagePack: round trips, refusals, and hostile bytes."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import uuid
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.nodes.codec.buffers import BESIDE
from actorpar.nodes.codec.port import NoPort
from actorpar.nodes.codec.schema import UNTYPED, schema_of
from actorpar.nodes.errors import CodecError, ItemTypeError
from tests.nodes.meshed import close


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float


class Options(TypedDict):
    depth: int


class Record(msgspec.Struct):
    name: str
    tags: set[str]


@dataclass
class Page:
    url: str
    body: bytes
    when: datetime.datetime
    at: Point
    color: Color
    options: Options
    id: uuid.UUID
    price: decimal.Decimal
    record: Record | None = None


@dataclass
class Image:
    pixels: numpy.ndarray
    name: str


@dataclass
class Order:
    number: int
    answer: ap.Sender[str]


PAGE = Page(
    "http://x/", b"body", datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), Point(1, 2.5), Color.BLUE,
    {"depth": 3}, uuid.UUID(int=7), decimal.Decimal("1.10"), Record("r", {"a"}),
)  # fmt: skip


class Drawer:
    """A port that keeps what is exported."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def export(self, value: Any) -> bytes:
        self.kept.append(value)
        return bytes([len(self.kept) - 1])

    def accept(self, declared: Any, data: bytes) -> Any:
        return self.kept[data[0]]


def through(declared: Any, *items: Any) -> list[Any]:
    """The items, encoded and decoded as over a link."""
    schema, port = schema_of(declared), Drawer()
    body, buffers = schema.encode(list(items), port)
    return schema.decode(memoryview(body), [bytearray(each) for each in buffers], port)


@pytest.mark.parametrize(
    ("declared", "item"),
    [
        (int, 2**63 - 1), (str, "ü"), (bytes, b"x"), (bool, True), (float, 2), (type(None), None), (Page, PAGE),
        (list[Point], [Point(1, 2.0)]), (dict[str, Page | None], {"a": PAGE, "b": None}), (Color, Color.RED),
        (int | str | None, "x"), (tuple[int, ...], (1, 2)), (Literal["a", "b"], "a"), (Options, {"depth": 1}),
        (frozenset[int], frozenset({1})), (datetime.timedelta, datetime.timedelta(seconds=3)),
        (bytearray, bytearray(b"z")),
    ],
)  # fmt: skip
def test_what_is_declared_comes_as_it_was_sent(declared: Any, item: Any) -> None:
    assert through(declared, item, item) == [item, item]
    schema_of(declared).check(item)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_large_bytes_go_beside_the_message_and_keep_their_kind(kind: Any) -> None:
    large = kind(bytes(range(256)) * 100)
    body, buffers = schema_of(kind).encode([large, kind(b"small")], NoPort())
    assert len(body) < 100
    assert len(buffers) == 1
    came = through(kind, large, kind(b"small"))
    assert [type(each) for each in came] == [kind, kind]
    assert [bytes(each) for each in came] == [bytes(large), b"small"]
    assert through(Any, large)[0] == large


@pytest.mark.parametrize("dtype", ["u1", "<f8", ">i4", "c16", "?", "M8[s]", "S3", "<U2"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (40, 70), (2, 0, 3)])
def test_an_array_comes_with_its_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = numpy.zeros(shape, dtype)
    (image,) = through(Image, Image(array, "n"))
    assert (image.pixels.dtype, image.pixels.shape) == (array.dtype, shape)
    assert numpy.array_equal(image.pixels, array)
    if image.pixels.size:
        image.pixels[...] = array  # it can be written to


def test_an_array_that_is_not_contiguous_is_sent_as_if_it_were() -> None:
    array = numpy.arange(100_000.0).reshape(100, 1000)[::2, ::3].T
    assert numpy.array_equal(through(numpy.ndarray, array)[0], array)


def test_a_large_array_is_not_copied_on_its_way_out_and_stands_on_what_came() -> None:
    array = numpy.arange(BESIDE, dtype="u1")
    body, buffers = schema_of(numpy.ndarray).encode([array], NoPort())
    assert numpy.shares_memory(numpy.frombuffer(buffers[0], "u1"), array)
    memory = bytearray(buffers[0])
    (came,) = schema_of(numpy.ndarray).decode(body, [memory], NoPort())
    memory[0] = 99
    assert came[0] == 99


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(CodecError, match="only plain numbers"):
        through(Image, Image(numpy.array([object()]), "n"))


@pytest.mark.parametrize(
    ("declared", "item"),
    [(int, "x"), (str, 1), (Page, {"url": ""}), (Literal["a"], 1), (list[int], (1,)), (Point, (1, 2))],
)
def test_net8_the_outer_type_is_checked_before_anything_is_sent(declared: Any, item: Any) -> None:
    with pytest.raises(ItemTypeError) as refused:
        schema_of(declared).check(item)
    assert refused.value.item is item


def test_net8_a_deeper_mismatch_is_found_where_it_is_decoded() -> None:
    schema = schema_of(list[int])
    body, _ = schema.encode([[1], ["x"], [2]], NoPort())
    with pytest.raises(CodecError, match="Expected `int`"):
        schema.decode(body, [], NoPort())
    first, second, third = schema.decode_each(body, [], NoPort())
    assert (first, third) == ([1], [2])
    assert isinstance(second, CodecError)


def test_net20_ends_are_found_by_the_declared_type() -> None:
    tx, rx = ap.open_channel[str](1)
    assert schema_of(Order).has_ends
    assert schema_of(dict[str, list[Order | None]]).has_ends
    assert not schema_of(Page).has_ends
    (order,) = through(Order, Order(1, tx))
    assert order.answer is tx
    close(tx, rx)


@pytest.mark.parametrize("declared", [Any, dict[str, Any], object])
def test_net20_an_untyped_payload_that_holds_an_end_is_refused(declared: Any) -> None:
    tx, rx = ap.open_channel[str](1)
    with pytest.raises(CodecError, match="only where the declared type has one"):
        through(declared, {"end": tx})
    close(tx, rx)


def test_a_value_that_is_no_data_is_refused_with_its_type() -> None:
    with pytest.raises(CodecError, match="a object cannot be sent"):
        through(Any, object())


def test_net40_untyped_data_is_capped_on_both_sides_and_bytes_are_not() -> None:
    with pytest.raises(CodecError, match="declare the type"):
        through(Any, ["x" * 100] * 5000)
    with pytest.raises(CodecError, match="untyped data came"):
        schema_of(Any).decode(bytes(UNTYPED + 1), [], NoPort())
    assert len(through(Any, bytes(UNTYPED * 4))[0]) == UNTYPED * 4


BOMBS = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x91" * 100_000, b"\x91\xdd\x00\x07\xa1\x20" * 5, b"",
         b"\xc1", b"\x91\xa5x", b"\x92\x01", b"\x91\x01\x01"]  # fmt: skip


@pytest.mark.parametrize("bomb", range(len(BOMBS)))
@pytest.mark.parametrize("declared", [Any, int, list[float], Page, bytes, Image])
def test_a8_a_bomb_is_a_codec_error(declared: Any, bomb: int) -> None:
    with pytest.raises(CodecError):
        schema_of(declared).decode(BOMBS[bomb], [], NoPort())


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([int, str, Page, list[Point], Image, Order, bytes, int | str | None]))
def test_a9_any_bytes_are_a_value_of_the_declared_type_or_a_codec_error(data: bytes, declared: Any) -> None:
    schema = schema_of(declared)
    for body in (data, b"\x91" + data):
        try:
            items = schema.decode(body, [bytearray(b"12345678")], NoPort())
        except CodecError:
            continue
        for item in items:
            schema.check(item)


@settings(max_examples=300, deadline=None)
@given(st.integers(-128, 127), st.binary(max_size=40), st.sampled_from([Any, Image, Order, bytes, int, dict[str, Any]]))
def test_a10_any_extension_is_allowed_or_a_codec_error(code: int, data: bytes, declared: Any) -> None:
    body = msgspec.msgpack.encode([msgspec.msgpack.Ext(code, data)])
    try:
        (item,) = schema_of(declared).decode(body, [bytearray(16)], NoPort())
    except CodecError:
        return
    assert declared in (Any, bytes)
    assert isinstance(item, bytes | bytearray | memoryview | numpy.ndarray | datetime.datetime)


@pytest.mark.parametrize(
    ("dtype", "shape"), [("O", [1]), ("<f8", [2**62]), ("<f8", [-1]), ("V8", [1]), ("nonsense", [1]), ("<f8", [1] * 40)]
)
def test_a10_an_array_whose_header_does_not_fit_its_bytes_is_refused(dtype: str, shape: list[int]) -> None:
    header = msgspec.msgpack.encode([0, dtype, shape, b""])
    body = msgspec.msgpack.encode([msgspec.msgpack.Ext(2, header)])
    with pytest.raises(CodecError):
        schema_of(Any).decode(body, [bytearray(8)], NoPort())


def test_a_type_that_no_link_can_carry_is_refused_when_it_is_declared() -> None:
    with pytest.raises(CodecError, match="cannot cross a link"):
        schema_of(ap.Sender[int] | ap.Receiver[int])


def test_a_type_has_the_same_name_on_every_node() -> None:
    assert schema_of(str | int | None).name == schema_of(None | int | str).name == "None | int | str"
    assert schema_of(dict[str, list[Point]]).name == f"dict[str, list[{__name__}.Point]]"
    assert math.isfinite(len(schema_of(Page).name))
