"""Arguments and results by their annotations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

import actorpar as ap
from actorpar.nodes.codec.buffers import BESIDE
from actorpar.nodes.codec.port import NoPort, Port
from actorpar.nodes.codec.signature import KEPT, Signature, signature_of
from actorpar.nodes.errors import CodecError, ItemTypeError
from tests.nodes.codec.declared import Ends, Page

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]


async def work(number: int, text: str = "x", *more: bytes, flag: bool = False, rest: Any = None) -> list[int]:
    return []


def partly(known: Page, unknown: Unknown, *, port: Annotated[int, msgspec.Meta(lt=65536)] = 0) -> Unknown:
    return None


def local(lock: threading.Lock, number: int = 0) -> Callable[[], int]:
    return lambda: number


def asking(question: str, answer: ap.Sender[int]) -> None: ...


def through(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], port: Port | None = None) -> Any:
    signature, port = Signature(function), port or NoPort()
    names, body, buffers = signature.encode(args, kwargs, port)
    count = len(args)
    if kwargs:
        count = len(signature._signature.bind(*args, **kwargs).args)
    return signature.decode(count, names, body, [bytearray(each) for each in buffers], port)


@pytest.mark.parametrize(
    ("args", "kwargs", "came"),
    [
        ((1,), {}, ((1,), {})),
        ((), {}, ((), {})),
        ((1, "y", b"a", b"b"), {}, ((1, "y", b"a", b"b"), {})),
        ((1, "y"), {}, ((1, "y"), {})),
        ((1,), {"flag": True}, ((1,), {"flag": True})),
        ((1, "y", b"a"), {"rest": 5, "flag": True}, ((1, "y", b"a"), {"flag": True, "rest": 5})),
        ((), {"number": 1, "text": "z", "rest": {"a": 1}}, ((1, "z"), {"rest": {"a": 1}})),
    ],
)
def test_arguments_come_as_they_were_given(args: Any, kwargs: Any, came: Any) -> None:
    assert through(work, args, kwargs) == came


def test_large_arguments_go_beside_the_message() -> None:
    large = bytes(BESIDE)
    _, body, buffers = Signature(work).encode((1, "y", large), {"rest": large}, NoPort())
    assert len(body) < 100
    assert len(buffers) == 2
    assert through(work, (1, "y", large), {"rest": large}) == ((1, "y", large), {"rest": large})


def test_net20_an_end_crosses_as_an_argument() -> None:
    tx, rx = ap.open_channel[int](1)
    port = Ends()
    (question, answer), _ = through(asking, ("why", tx), {}, port)
    assert question == "why"
    assert isinstance(answer, ap.Sender)
    assert tx.closed
    port.close()
    rx.close()


@pytest.mark.parametrize(("args", "kwargs"), [(("one",), {}), ((1, 2), {}), ((1, 2), {"flag": True})])
def test_net08_a_wrong_argument_is_refused_before_anything_is_sent(args: Any, kwargs: Any) -> None:
    with pytest.raises(ItemTypeError):
        through(work, args, kwargs)


def test_arguments_that_the_function_does_not_take_are_refused() -> None:
    with pytest.raises(TypeError):
        through(work, (1,), {"unknown": 2})
    with pytest.raises(CodecError, match="takes 2 arguments, not 3"):
        through(asking, ("why", None, 3), {})


@pytest.mark.parametrize(
    ("count", "names", "values"),
    [
        (1, (), ["x", []]), (1, ("bad",), [1, [], 2]), (1, ("rest", "flag"), [1, [], 5, True]), (-1, (), [[]]),
        (1, ("flag", "flag"), [1, [], True, True]), (10**18, (), [1, "x", []]), (2**31, (), [1, "x", [b""]]),
        (2, (), [1, "x", [b"more"]]), (3, (), [1, "x", ["no bytes"]]), (1, (), [1]),
    ],
)  # fmt: skip
def test_a9_arguments_that_do_not_fit_are_refused_where_they_come(count: int, names: Any, values: Any) -> None:
    with pytest.raises(CodecError):
        Signature(work).decode(count, names, msgspec.msgpack.encode([values]), [], NoPort())


@pytest.mark.parametrize("count", [-1, -2, 0, 2, 3])
def test_a9_the_number_of_arguments_that_is_told_is_the_number_that_came(count: int) -> None:
    with pytest.raises(CodecError):
        Signature(asking).decode(count, (), msgspec.msgpack.encode([["why"]]), [], NoPort())


def test_a9_there_is_one_set_of_arguments() -> None:
    for sets in ([], [[1, []], [2, []]]):
        with pytest.raises(CodecError, match="sets of arguments"):
            Signature(work).decode(1, (), msgspec.msgpack.encode(sets), [], NoPort())


def test_a8_what_peers_name_does_not_make_ever_more_schemas() -> None:
    named = ", ".join(f"a{number}=0" for number in range(12))
    scope: dict[str, Any] = {}
    exec(f"def many(*, {named}): ...", scope)
    signature = Signature(scope["many"])
    for chosen in range(2 * KEPT):
        names = tuple(f"a{number}" for number in range(12) if chosen >> number & 1)
        signature.decode(0, names, msgspec.msgpack.encode([[0] * len(names)]), [], NoPort())
    assert len(signature._schemas) <= KEPT


def test_the_result_has_its_declared_type() -> None:
    result = Signature(work).result
    body, _ = result.encode([[1, 2]], NoPort())
    assert result.decode(body, [], NoPort()) == [[1, 2]]
    assert result.name == "list[int]"
    signature = Signature(work)
    signature.returns(str)
    assert signature.result.name == "str"


def test_an_annotation_that_only_type_checkers_can_evaluate_leaves_the_others_in_force() -> None:
    signature = Signature(partly)
    assert signature.declared_result is Any
    with pytest.raises(ItemTypeError):
        signature.encode(("no page", 1), {}, NoPort())
    with pytest.raises(CodecError, match="<= 65535"):
        signature.decode(0, ("port",), msgspec.msgpack.encode([[70000]]), [], NoPort())


def test_a_function_for_this_node_alone_says_so_when_it_is_called_from_another() -> None:
    signature = signature_of(local)
    with pytest.raises(CodecError, match="cannot cross a link"):
        signature.encode((threading.Lock(),), {}, NoPort())
    for use in (
        lambda: signature.result.encode([1], NoPort()),
        lambda: signature.result.decode(b"\x91\x01", [], NoPort()),
    ):
        with pytest.raises(CodecError, match="cannot cross a link"):
            use()
