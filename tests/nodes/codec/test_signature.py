"""Arguments and results by their annotations."""

from __future__ import annotations

from typing import Any

import pytest

from actorpar.nodes.codec.port import NoPort
from actorpar.nodes.codec.signature import Signature
from actorpar.nodes.errors import CodecError, ItemTypeError


async def work(number: int, text: str = "x", *more: bytes, flag: bool = False, rest: Any = None) -> list[int]:
    return []


def through(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    signature, port = Signature(work), NoPort()
    names, body, buffers = signature.encode(args, kwargs, port)
    count = len(args)
    if kwargs:
        count = len(signature._signature.bind(*args, **kwargs).args)
    return signature.decode(count, names, body, [bytearray(each) for each in buffers], port)


@pytest.mark.parametrize(
    ("args", "kwargs", "came"),
    [
        ((1,), {}, ((1,), {})),
        ((1, "y", b"a", b"b"), {}, ((1, "y", b"a", b"b"), {})),
        ((1,), {"flag": True}, ((1,), {"flag": True})),
        ((), {"number": 1, "text": "z", "rest": {"a": 1}}, ((1, "z"), {"rest": {"a": 1}})),
    ],
)
def test_arguments_come_as_they_were_given(args: Any, kwargs: Any, came: Any) -> None:
    assert through(args, kwargs) == came


def test_a_wrong_argument_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ItemTypeError):
        through(("one",), {})
    with pytest.raises(TypeError):
        through((1,), {"unknown": 2})


def test_arguments_of_another_type_are_refused_where_they_come() -> None:
    signature = Signature(work)
    with pytest.raises(CodecError):
        signature.decode(1, (), b"\x91\x91\xa1x", [], NoPort())
    with pytest.raises(CodecError, match="takes no argument"):
        signature.decode(1, ("bad",), b"\x91\x92\x01\x02", [], NoPort())


def test_the_result_has_its_declared_type() -> None:
    result = Signature(work).result
    body, _ = result.encode([[1, 2]], NoPort())
    assert result.decode(body, [], NoPort()) == [[1, 2]]
    assert result.name == "list[int]"
