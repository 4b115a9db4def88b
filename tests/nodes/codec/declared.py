"""Types as programs declare them, a value of each, and a port that keeps account of ends."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, NamedTuple, TypedDict, TypeVar, get_origin

import msgspec
import numpy
import numpy.typing

import actorpar as ap
from actorpar.channels.end import End
from actorpar.nodes.errors import CodecError

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float


class Options(TypedDict, total=False):
    depth: int
    names: list[str]


class Record(msgspec.Struct):
    name: str
    tags: set[str]


class Cat(msgspec.Struct, tag=True, array_like=True):
    lives: int


class Dog(msgspec.Struct, tag=True, array_like=True):
    name: str


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
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Pair(Generic[T]):
    first: T
    second: T


@dataclass
class Image:
    pixels: numpy.ndarray
    name: str
    mask: numpy.ndarray | None = None


@dataclass
class Order:
    number: int
    answer: ap.Sender[str]


@dataclass
class Loose:
    """Ends beside a place for anything."""

    ends: list[ap.Receiver[int] | None]
    rest: dict[str, Any]


PAGE: Final = Page(
    "http://x/", b"body", datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), Point(1, 2.5), Color.BLUE,
    {"depth": 3}, uuid.UUID(int=7), decimal.Decimal("1.10"), Record("r", {"a"}),
)  # fmt: skip

#: Types without ends, each with a value.
DATA: Final[list[tuple[Any, Any]]] = [
    (int, 2**63 - 1), (str, "ü"), (bytes, b"x"), (bool, True), (float, 2.5), (None, None), (bytearray, bytearray(b"z")),
    (Page, PAGE), (list[Point], [Point(1, 2.0)]), (dict[str, Page | None], {"a": PAGE, "b": None}), (Color, Color.RED),
    (Level, Level.HIGH), (int | str | None, "x"), (tuple[int, ...], (1, 2)), (tuple[int, str], (1, "a")),
    (Literal["a", "b"], "a"), (Options, {"depth": 1}), (frozenset[int], frozenset({1})), (set[str], {"x"}),
    (datetime.timedelta, datetime.timedelta(seconds=3)), (datetime.date, datetime.date(2026, 1, 2)),
    (datetime.time, datetime.time(1, 2, 3)), (uuid.UUID, uuid.UUID(int=5)), (decimal.Decimal, decimal.Decimal("2.50")),
    (Cat | Dog, Dog("rex")), (Tree, Tree(1, [Tree(2), Tree(3, [Tree(4)])])), (Pair[int], Pair(1, 2)),
    (dict[int, list[float]], {1: [2.5]}), (Record, Record("n", {"t", "u"})), (dict[str, bytes | None], {"a": b"1"}),
    (list[bytes], [b"a", b""]), (tuple[bytes, int, bytearray], (b"a", 1, bytearray(b"b"))), (bytes | None, b"y"),
    (dict[str, Any], {"a": [1, {"b": None}]}), (Any, {"k": [1.5, "s", b"b", None, True]}), (object, [1]),
    (list, [1, "a"]), (memoryview, memoryview(b"view")),
]  # fmt: skip

#: Types that hold arrays: compared by numpy.
ARRAYS: Final[list[Any]] = [numpy.ndarray, Image, list[numpy.ndarray], numpy.typing.NDArray[numpy.float64]]

#: Types that hold ends.
ENDS: Final[list[Any]] = [
    ap.Sender[int], ap.Receiver[str], Order, list[ap.Sender[int]], dict[str, ap.Receiver[int] | None],
    Pair[ap.Sender[int]], tuple[ap.Sender[int], ap.Receiver[int]], ap.Sender[int] | None, Loose,
]  # fmt: skip


class Ends:
    """A port over channels of one process. Whatever it has accepted is open until somebody closes it."""

    def __init__(self) -> None:
        self.exported: list[Any] = []
        self.accepted: list[Any] = []
        self._tx, self._rx = ap.open_channel[Any](1)

    def export(self, value: Any) -> bytes:
        self.exported.append(value.move() if isinstance(value, End) else value)
        return b"e%d" % (len(self.exported) - 1)

    def accept(self, declared: Any, data: bytes) -> Any:
        """What was exported under this number; for other numbers a new end of what is declared."""
        if data[:1] != b"e":
            raise CodecError("this describes no end")
        end = self._tx.clone() if (get_origin(declared) or declared) is ap.Sender else self._rx.clone()
        self.accepted.append(end)
        return end

    def open(self) -> int:
        """How many of the ends that were accepted are open."""
        return sum(not end.closed for end in self.accepted)

    def close(self) -> None:
        """Close everything."""
        for end in (self._tx, self._rx, *self.exported, *self.accepted):
            end.close()


def example(declared: Any, tx: Any, rx: Any) -> Any:
    """A value of one of ENDS, with clones of these ends."""
    makes: dict[Any, Any] = {
        Order: lambda: Order(1, tx.clone()),
        Loose: lambda: Loose([None, rx.clone()], {"a": numpy.arange(3)}),
        list[ap.Sender[int]]: lambda: [tx.clone(), tx.clone()],
        dict[str, ap.Receiver[int] | None]: lambda: {"a": rx.clone(), "b": None},
        Pair[ap.Sender[int]]: lambda: Pair(tx.clone(), tx.clone()),
        tuple[ap.Sender[int], ap.Receiver[int]]: lambda: (tx.clone(), rx.clone()),
        ap.Receiver[str]: rx.clone,
    }
    return makes.get(declared, tx.clone)()


def ends_in(value: Any) -> list[Any]:
    """The ends inside a value of one of ENDS."""
    if isinstance(value, End):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list | tuple):
        value = [getattr(value, name) for name in getattr(value, "__dataclass_fields__", ())]
    return [end for part in value for end in ends_in(part)] if value else []
