"""Whatever bytes come, they are a value of the declared type or a CodecError, and take memory in proportion."""

from __future__ import annotations

import datetime
import decimal
import tracemalloc
import uuid
from typing import Any

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from actorpar.nodes.codec import schema
from actorpar.nodes.codec.port import NoPort
from actorpar.nodes.codec.schema import UNTYPED, VALUES, schema_of
from actorpar.nodes.errors import CodecError
from tests.nodes.codec.declared import ARRAYS, DATA, ENDS, Ends, Image, Order, Page, Pair, ends_in

TYPES = [declared for declared, _ in DATA] + ARRAYS + ENDS
MIB = 1 << 20


class Tree(msgspec.Struct, array_like=True):
    """Something that may hold itself."""

    children: list[Tree] = []


BOMBS = {
    "an array of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a map of four thousand million": b"\xdf\xff\xff\xff\xff",
    "bytes of four thousand million": b"\x91\xc6\xff\xff\xff\xff",
    "a hundred thousand levels": b"\x91" * 100_000,
    "maps of a hundred thousand levels": b"\x91" + b"\x81\x01" * 100_000,
    "nested claims": b"\x91" + b"\xdd\x00\x07\xa1\x20" * (MIB // 5),
    "a megabyte of empty arrays": b"\xdd\x00\x0f\xff\xfb" + b"\x90" * (MIB - 5),
    "a megabyte of empty arrays in an array": b"\x91\xdd\x00\x0f\xff\xfa" + b"\x90" * (MIB - 6),
    "nothing": b"",
    "a code that does not exist": b"\x91\xc1",
    "a text that ends": b"\x91\xa5x",
    "an array that ends": b"\x92\x01",
    "bytes behind the end": b"\x91\x01\x01",
    "text that is no text": b"\x91\xa2\xff\xfe",
    "a time out of all ranges": b"\x91\xc7\x0c\xff" + b"\xff" * 12,
    "no array": b"\x01",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("declared", [Any, int, tuple[float], Page, bytes, Image, Order, dict[str, Any], Pair[str]])
def test_a8_a_bomb_is_a_codec_error_and_takes_little_memory(declared: Any, bomb: str) -> None:
    schema = schema_of(declared)
    tracemalloc.start()
    try:
        with pytest.raises(CodecError):
            schema.decode(BOMBS[bomb], [], NoPort())
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB
    finally:
        tracemalloc.stop()


def test_a8_untyped_data_within_the_cap_takes_no_more_than_twenty_megabytes() -> None:
    body = b"\xdd" + (UNTYPED - 5).to_bytes(4, "big") + b"\x90" * (UNTYPED - 5)
    tracemalloc.start()
    try:
        assert len(schema_of(Any).decode(body, [], NoPort())) == UNTYPED - 5
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


#: The least that stands for one value, by the type that makes the most of it.
AMPLIFIED: dict[Any, bytes] = {
    list[list[int]]: b"\x90",
    list[set[int]]: b"\x90",
    list[frozenset[int]]: b"\x90",
    list[dict[str, int]]: b"\x80",
    dict[int, list[int]]: b"\x90",
    list[decimal.Decimal]: b"\xa11",
    list[bytearray]: b"\xc4\x00",
    list[memoryview]: b"\xc4\x00",
    list[uuid.UUID]: b"\xc4\x10" + bytes(16),
    Tree: b"\x91\x90",
}


@pytest.mark.parametrize("declared", AMPLIFIED, ids=str)
def test_a8_what_amplifies_is_bounded_where_it_is_decoded(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bound of a 64th, so that it is quick: what may come takes no more than its share of 512 MiB."""
    bound = VALUES // 64
    monkeypatch.setattr(schema, "VALUES", bound)
    assert schema_of(declared)._amplifies
    for count, may in ((bound // 2 - 8, True), (bound, False)):
        keys = declared == dict[int, list[int]]
        values = b"".join(msgspec.msgpack.encode(n) + b"\x90" for n in range(count)) if keys else b""
        head = (b"\xdf" if keys else b"\xdd") + count.to_bytes(4, "big")
        body = b"\x91" + (b"\x91" if declared is Tree else b"") + head + (values or AMPLIFIED[declared] * count)
        tracemalloc.start()
        try:
            if may:
                schema_of(declared).decode(body, [], NoPort())
            else:
                with pytest.raises(CodecError, match=f"more than {bound} values"):
                    schema_of(declared).decode(body, [], NoPort())
                assert all(isinstance(each, CodecError) for each in schema_of(declared).decode_each(body, [], NoPort()))
            assert tracemalloc.get_traced_memory()[1] < 512 * MIB // 64
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("declared", [list[int], list[str], list[float], dict[str, int], Order, tuple[list[int], ...]])
def test_a8_only_what_may_hold_many_that_are_more_than_a_number_or_a_text_amplifies(declared: Any) -> None:
    assert schema_of(declared)._amplifies == (declared == tuple[list[int], ...])


def test_a8_a_batch_of_more_values_than_may_be_is_refused_where_it_is_sent() -> None:
    large: list[list[list[int]]] = [[[]] * VALUES]
    with pytest.raises(CodecError, match="send fewer at once"):
        schema_of(list[list[int]]).encode(large, NoPort())
    text = ["x" * 2 * VALUES]
    assert schema_of(str).decode(schema_of(str).encode(text, NoPort())[0], [], NoPort()) == text


@pytest.mark.parametrize("declared", [Any, bytes, list[bytes]])
def test_a8_a_buffer_becomes_one_value_however_often_it_is_named(declared: Any) -> None:
    item = Ext(1, msgspec.msgpack.encode([0, "b"]))
    many: Any = [[item] * 1000] if declared == list[bytes] else [item] * 1000
    body, memory = msgspec.msgpack.encode(many), bytearray(MIB)
    with pytest.raises(CodecError, match="names its buffer 0 twice"):
        schema_of(declared).decode(body, [memory], NoPort())
    parts = schema_of(declared).decode_each(body, [memory], NoPort())
    assert sum(not isinstance(part, CodecError) for part in parts) <= 1


def test_a9_any_value_of_any_type_in_the_place_of_any_other_is_of_that_type_or_refused() -> None:
    for _, value in DATA:
        body = msgspec.msgpack.encode([value, value])
        for declared in TYPES:
            schema = schema_of(declared)
            try:
                items = schema.decode(body, [], NoPort())
            except CodecError:
                continue
            for item in items:
                schema.check(item)


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(TYPES))
def test_a9_any_bytes_are_a_value_of_the_declared_type_or_a_codec_error(data: bytes, declared: Any) -> None:
    schema, port = schema_of(declared), Ends()
    for body in (data, b"\x91" + data):
        try:
            items = schema.decode(memoryview(body), [bytearray(b"12345678")], port)
        except CodecError:
            try:
                parts = schema.decode_each(memoryview(body), [bytearray(b"12345678")], port)
            except CodecError:
                continue
            items = [part for part in parts if not isinstance(part, CodecError)]
        for item in items:
            schema.check(item)
        if schema.has_ends:
            assert port.open() == len([end for item in items for end in ends_in(item)])
        for end in port.accepted:
            end.close()
    port.close()


@settings(max_examples=500, deadline=None)
@given(
    st.integers(-128, 127), st.binary(max_size=40), st.sampled_from([Any, *ARRAYS, Order, bytes, int, dict[str, Any]])
)
def test_a10_any_extension_is_allowed_or_a_codec_error(code: int, data: bytes, declared: Any) -> None:
    body = msgspec.msgpack.encode([Ext(code, data)])
    try:
        (item,) = schema_of(declared).decode(body, [bytearray(16)], NoPort())
    except CodecError:
        return
    assert code in (1, 2) or (code == -1 and isinstance(item, datetime.datetime))
    assert isinstance(item, bytes | bytearray | memoryview | numpy.ndarray | datetime.datetime)


@pytest.mark.parametrize("code", [code for code in range(-128, 128) if code not in (-1, 1, 2, 3)])
def test_a10_extensions_beyond_three_kinds_are_refused(code: int) -> None:
    for declared in (Any, Image, Order, dict[str, Any]):
        for data in (b"", b"\x00", b"\x92\x00\xa1b"):
            with pytest.raises(CodecError):
                schema_of(declared).decode(msgspec.msgpack.encode([Ext(code, data)]), [bytearray(8)], NoPort())


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("O", [1]), ("|O", [1]), ("<f8", [2**62]), ("<f8", [-1]), ("V8", [1]), ("nonsense", [1]), ("<f8", [1] * 40),
        ("<f8", [2**63, 0, 2**63]), ("|S0", [2**40]), ("<U0", [2**40]), ("S", [2**40]), ("<M8[", [1]),
        ("i4,i4", [1]), ("(2,2)i4", [1]), ("((((", [1]), ("", [1]), ("f8", [1]), ("<f8" * 5000, [1]), ("=f8", [1]),
        ("<i3", [1]), ("<f99", [1]), ("<M8[zz]", [1]), ("a5", [1]), ("<M8[999999999Y]", [2]), ("|S999999999", [1]),
    ],
)  # fmt: skip
def test_a10_an_array_whose_header_does_not_fit_its_bytes_is_refused(dtype: str, shape: list[int]) -> None:
    for index, data in ((0, b""), (-1, b"12345678"), (1, b""), (2**63 - 1, b"")):
        header = msgspec.msgpack.encode([index, dtype, shape, data])
        body = msgspec.msgpack.encode([Ext(2, header)])
        with pytest.raises(CodecError):
            schema_of(Any).decode(body, [bytearray(8)], NoPort())


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=16), st.lists(st.integers(-1, 9), max_size=4), st.integers(-2, 2), st.binary(max_size=16))
def test_a10_any_header_of_an_array_is_an_array_or_a_codec_error(
    dtype: str, shape: list[int], index: int, data: bytes
) -> None:
    body = msgspec.msgpack.encode([Ext(2, msgspec.msgpack.encode([index, dtype, shape, data]))])
    try:
        (array,) = schema_of(Any).decode(body, [bytearray(8)], NoPort())
    except CodecError:
        return
    assert list(array.shape) == shape
    assert not array.dtype.hasobject
