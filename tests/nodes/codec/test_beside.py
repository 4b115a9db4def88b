"""Large bytes and arrays go beside the message, and are not copied where that can be."""

from __future__ import annotations

import array
from typing import Any

import msgspec
import numpy
import numpy.typing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.codec.buffers import BESIDE
from actorpar.nodes.codec.port import NoPort
from actorpar.nodes.codec.schema import Schema, schema_of
from actorpar.nodes.errors import CodecError
from tests.nodes.codec.declared import Image
from tests.nodes.codec.through import through

KINDS: list[Any] = [bytes, bytearray, memoryview]


@pytest.mark.parametrize("kind", KINDS)
def test_large_bytes_go_beside_the_message_and_keep_their_kind(kind: Any) -> None:
    large = kind(bytes(range(256)) * 100)
    for schema in (Schema(kind), Schema(kind)):
        for _ in range(2):
            body, buffers = schema.encode([large, kind(b"small")], NoPort())
            assert len(body) < 100
            assert len(buffers) == 1
    came = through(kind, large, kind(b"small"))
    assert [type(each) for each in came] == [kind, kind]
    assert [bytes(each) for each in came] == [bytes(large), b"small"]
    assert through(Any, large)[0] == large


@pytest.mark.parametrize("kind", KINDS)
def test_large_bytes_go_beside_the_message_from_tuples_lists_and_dicts(kind: Any) -> None:
    large, small = kind(bytes(BESIDE)), kind(b"s")
    for declared, item in [
        (tuple[kind, int, str], (large, 1, "x")), (list[kind], [small, large, small]), (kind | None, large),
        (dict[str, kind], {"a": large, "b": small}), (tuple[kind, ...], (large, large)),
        (tuple[list[kind | None], kind], ([None, large], small)), (tuple[Any, int], (large, 1)),
    ]:  # fmt: skip
        body, buffers = schema_of(declared).encode([item], NoPort())
        assert len(body) < 100
        assert buffers
        assert through(declared, item) == [item]


def test_large_bytes_are_not_copied_on_their_way_out() -> None:
    large = bytearray(BESIDE)
    _, buffers = schema_of(bytearray).encode([large], NoPort())
    large[0] = 7
    assert buffers[0][0] == 7


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_large_bytes_that_can_be_written_to_stand_on_what_came(kind: Any) -> None:
    body, buffers = schema_of(kind).encode([kind(bytes(BESIDE))], NoPort())
    memory = bytearray(buffers[0])
    (came,) = schema_of(kind).decode(body, [memory], NoPort())
    came[0] = 9
    assert memory[0] == 9


def test_bytes_of_the_other_kind_arrive_as_what_is_declared() -> None:
    body, buffers = schema_of(bytearray).encode([bytearray(BESIDE)], NoPort())
    (came,) = schema_of(bytes).decode(body, [bytearray(each) for each in buffers], NoPort())
    assert came == bytes(BESIDE)
    assert type(came) is bytes


def test_items_after_a_large_one_are_encoded_as_before_it() -> None:
    schema = Schema(bytes)
    plain = schema.encode([b"x"], NoPort())
    schema.encode([bytes(BESIDE)], NoPort())
    assert schema.encode([b"x"], NoPort()) == plain
    assert schema.encode([b"x"], NoPort()) == plain


@pytest.mark.parametrize("kind", [*KINDS, Any, list[bytes], tuple[bytes, int]])
def test_any_batch_may_follow_a_large_item(kind: Any) -> None:
    schema, large = Schema(kind), bytes(BESIDE)
    for items in ([], [5], [None, "text"], [b""]):
        schema.encode(
            [[large] if kind == list[bytes] else (large, 1) if kind == tuple[bytes, int] else large], NoPort()
        )
        assert schema.encode(items, NoPort()) == (msgspec.msgpack.encode(items), [])


def test_a_view_that_is_not_contiguous_is_refused_with_what_to_do() -> None:
    with pytest.raises(CodecError, match=r"send bytes\(view\)"):
        through(memoryview, memoryview(bytes(4 * BESIDE))[::2])


def test_a_view_of_numbers_is_large_by_its_bytes() -> None:
    view = memoryview(array.array("d", [0.0]) * (BESIDE // 8))
    assert len(schema_of(memoryview).encode([view], NoPort())[1]) == 1


@pytest.mark.parametrize("dtype", ["u1", "<f8", ">i4", "c16", "?", "M8[s]", "m8[25us]", "S3", "<U2", "f2", "M8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (40, 70), (2, 0, 3), (80, 90, 1)])
def test_an_array_comes_with_its_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = numpy.zeros(shape, dtype)
    (image,) = through(Image, Image(array, "n"))
    assert (image.pixels.dtype, image.pixels.shape) == (array.dtype, shape)
    assert numpy.array_equal(image.pixels, array)
    if image.pixels.size:
        image.pixels[...] = array  # it can be written to


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=3), st.sampled_from("bBhHiIlLefdFD?"), st.booleans(), st.integers(1, 3))
def test_every_array_comes_as_it_was_sent(shape: list[int], code: str, turned: bool, step: int) -> None:
    array = (numpy.arange(int(numpy.prod(shape, dtype=int))) % 100).astype(code).reshape(shape)
    array = array.T if turned else array
    array = array[::step] if array.ndim else array
    came = through(list[numpy.ndarray | None], [array, None, array])[0]
    assert came[1] is None
    for each in (came[0], came[2]):
        assert each.dtype == array.dtype
        assert numpy.array_equal(each, array)


def test_a_large_array_is_not_copied_on_its_way_out_and_stands_on_what_came() -> None:
    array = numpy.arange(BESIDE, dtype="u1")
    body, buffers = schema_of(numpy.ndarray).encode([array], NoPort())
    assert numpy.shares_memory(numpy.frombuffer(buffers[0], "u1"), array)
    memory = bytearray(buffers[0])
    (came,) = schema_of(numpy.ndarray).decode(body, [memory], NoPort())
    memory[0] = 99
    assert came[0] == 99
    came[1] = 98
    assert memory[1] == 98


def test_an_array_of_another_dtype_than_declared_is_refused_where_it_comes() -> None:
    declared = numpy.typing.NDArray[numpy.float64]
    assert through(declared, numpy.arange(3.0))[0].tolist() == [0, 1, 2]
    with pytest.raises(CodecError, match="an array of float64 is declared, and one of int64 came"):
        through(declared, numpy.arange(3))
    assert through(numpy.typing.NDArray[Any], numpy.arange(3))[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (numpy.array([object()]), "only plain numbers"), (numpy.zeros(2, "i4,f8"), "only plain numbers"),
        (numpy.ma.masked_array([1, 2], [False, True]), "only its numbers would arrive"),
        (numpy.zeros(2, "V4"), "only plain numbers"), (numpy.array(["a"], "T"), "only plain numbers"),
    ],
)  # fmt: skip
def test_an_array_of_more_than_numbers_is_refused(array: Any, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        through(Image, Image(array, "n"))
