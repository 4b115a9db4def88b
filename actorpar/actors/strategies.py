"""Which children a supervisor starts, which of them a failure concerns, and how many restarts it puts up with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from ..channels.end import End
from .backoff import Backoff
from .child import ChildSpec
from .lending import Lender
from .refusals import DuplicateChild, InvalidChild

StrategyKind: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one", "dynamic"]
AutoShutdown: TypeAlias = Literal["never", "any", "all"]

#: More restarts than this in PERIOD seconds are too many (AC-39).
INTENSITY: Final = 1
PERIOD: Final = 5.0

_AUTO_SHUTDOWN: Final = ("never", "any", "all")


class Strategy(Lender):
    """What a Supervisor is given. Made by `one_for_one`, `one_for_all`, `rest_for_one` and `dynamic`."""

    __slots__ = ("auto_shutdown", "backoff", "children", "intensity", "kind", "period")

    def __init__(
        self, kind: StrategyKind, children: tuple[ChildSpec[Any], ...], intensity: int, period: float,
        backoff: Backoff | None, auto_shutdown: AutoShutdown,
    ) -> None:  # fmt: skip
        self.kind: StrategyKind = kind
        self.children = children
        self.intensity = intensity
        self.period = period
        self.backoff = backoff
        self.auto_shutdown: AutoShutdown = auto_shutdown
        if isinstance(intensity, bool) or not isinstance(intensity, int) or intensity < 0:
            raise InvalidChild(f"intensity is a number of restarts from 0 on, not {intensity!r}")
        if not isinstance(period, int | float) or not period > 0:
            raise InvalidChild(f"period is a number of seconds above 0, not {period!r}")
        if backoff is not None and not isinstance(backoff, Backoff):
            raise InvalidChild(f"backoff is ap.Backoff(base, cap), not {backoff!r}")
        if auto_shutdown not in _AUTO_SHUTDOWN:
            raise InvalidChild(f"auto_shutdown is one of {', '.join(_AUTO_SHUTDOWN)}, not {auto_shutdown!r}")
        known: set[str] = set()
        for spec in children:
            self.check(spec, known)
            known.add(spec.label)

    def check(self, spec: object, known: Iterable[str]) -> None:
        """Raise InvalidChild or DuplicateChild unless the spec fits beside the children whose ids are `known`."""
        if not isinstance(spec, ChildSpec):
            raise InvalidChild(f"a child of a supervisor is made by ap.child(…); {spec!r} was not")
        if spec.significant and self.auto_shutdown == "never":
            raise InvalidChild(f"child {spec.label!r} is significant: say auto_shutdown='any' or 'all' (AC-43)")
        if self.kind == "dynamic" and spec.id is None:
            return
        if spec.label in known:
            raise DuplicateChild(f"there is a child {spec.label!r} already: ids are unique, give this one another id=")

    @property
    def ends(self) -> tuple[End, ...]:
        """The channel ends that its specs own."""
        return tuple(end for spec in self.children for end in spec.ends)

    def lent(self) -> Strategy:
        """The same strategy, whose specs own clones of the ends (CH-63)."""
        children = tuple(spec.lent() for spec in self.children)
        return Strategy(self.kind, children, self.intensity, self.period, self.backoff, self.auto_shutdown)

    def __repr__(self) -> str:
        return f"<{self.kind} of {', '.join(spec.label for spec in self.children) or 'no children'}>"


def one_for_one(
    *children: ChildSpec[Any], intensity: int = INTENSITY, period: float = PERIOD, backoff: Backoff | None = None,
    auto_shutdown: AutoShutdown = "never",
) -> Strategy:  # fmt: skip
    """A child that ends is restarted, and no other.

    More than `intensity` restarts in `period` seconds end the supervisor, with `shutdown` and the last failure as the
    cause (AC-39). `backoff` delays restarts (AC-41). `auto_shutdown` tells whether the end for good of `any` or `all`
    significant children ends the supervisor (AC-43). Raises InvalidChild, DuplicateChild.
    """
    return Strategy("one_for_one", children, intensity, period, backoff, auto_shutdown)


def one_for_all(
    *children: ChildSpec[Any], intensity: int = INTENSITY, period: float = PERIOD, backoff: Backoff | None = None,
    auto_shutdown: AutoShutdown = "never",
) -> Strategy:  # fmt: skip
    """A child that ends takes all others with it: they are stopped, then all are started in order (AC-38).

    The options are those of `one_for_one`.
    """
    return Strategy("one_for_all", children, intensity, period, backoff, auto_shutdown)


def rest_for_one(
    *children: ChildSpec[Any], intensity: int = INTENSITY, period: float = PERIOD, backoff: Backoff | None = None,
    auto_shutdown: AutoShutdown = "never",
) -> Strategy:  # fmt: skip
    """A child that ends takes those with it that were started after it (AC-38).

    The options are those of `one_for_one`.
    """
    return Strategy("rest_for_one", children, intensity, period, backoff, auto_shutdown)


def dynamic(
    *, intensity: int = INTENSITY, period: float = PERIOD, backoff: Backoff | None = None,
    auto_shutdown: AutoShutdown = "never",
) -> Strategy:  # fmt: skip
    """No children at first: they come by `start_child`, and are forgotten when they have ended for good.

    Each is restarted alone. When the supervisor stops they stop all at once, each within its own time, so all within
    the longest of these (AC-35). A spec without an `id` gets a fresh one at each start. The options are those of
    `one_for_one`.
    """
    return Strategy("dynamic", (), intensity, period, backoff, auto_shutdown)
