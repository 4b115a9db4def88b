"""Random supervision trees: what they are made of, how hypothesis draws them, and how they are started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import strategies as st

import actorpar as ap

RestartType = Literal["permanent", "transient", "temporary"]
AutoShutdown = Literal["never", "any", "all"]

DEPTH = 3
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one", "dynamic")


@dataclass(frozen=True)
class Leaf:
    """A worker, and how long it takes to start and to stop."""

    restart: RestartType = "permanent"
    significant: bool = False
    start_seconds: float = 0.0
    stop_seconds: float = 0.0
    shutdown: Any = 5.0


@dataclass(frozen=True)
class Branch:
    """A supervisor and its children. Those of a dynamic one come by and by."""

    strategy: str = "one_for_one"
    children: tuple[Leaf | Branch, ...] = ()
    restart: RestartType = "permanent"
    significant: bool = False
    intensity: int = 1
    period: float = 5.0
    auto_shutdown: AutoShutdown = "never"
    backoff: ap.Backoff | None = None

    @property
    def initial(self) -> tuple[Leaf | Branch, ...]:
        """The children it starts with."""
        return () if self.strategy == "dynamic" else self.children


Tree = Leaf | Branch


def paths(tree: Tree, path: str = "r") -> Iterator[tuple[str, Tree]]:
    """All nodes of a tree by their path: the second child of the root is r.1."""
    yield path, tree
    if isinstance(tree, Branch):
        for place, child in enumerate(tree.children):
            yield from paths(child, f"{path}.{place}")


@dataclass
class Planter:
    """Makes child specs out of trees. `leaf` and `branch` are the classes of the actors; `record` is for them."""

    leaf: Callable[..., Any]
    branch: Callable[..., Any]
    record: Any
    named: bool = True
    #: The specs of the children by their paths, those of dynamic supervisors too.
    specs: dict[str, ap.ChildSpec[Any]] = field(default_factory=dict)

    def strategy(self, tree: Branch, path: str) -> ap.Strategy:
        """The strategy of a supervisor at this path."""
        children = [self.child(child, f"{path}.{place}") for place, child in enumerate(tree.children)]
        options: dict[str, Any] = {
            "intensity": tree.intensity, "period": tree.period, "auto_shutdown": tree.auto_shutdown,
            "backoff": tree.backoff,
        }  # fmt: skip
        if tree.strategy == "dynamic":
            return ap.dynamic(**options)
        make: Any = getattr(ap, tree.strategy)
        strategy: ap.Strategy = make(*children, **options)
        return strategy

    def child(self, tree: Tree, path: str) -> ap.ChildSpec[Any]:
        """The spec of the child at this path, whose id and name the path is."""
        options: dict[str, Any] = {"id": path, "restart": tree.restart, "significant": tree.significant}
        if self.named:
            options["name"] = path
        if isinstance(tree, Leaf):
            spec = ap.child(self.leaf, self.record, path, tree, shutdown=tree.shutdown, **options)
        else:
            spec = ap.child(self.branch, self.record, path, self.strategy(tree, path), **options)
        self.specs[path] = spec
        return spec


@st.composite
def leaves(draw: st.DrawFn, *, significant: bool, timed: bool) -> Leaf:
    restart = draw(st.sampled_from(("permanent", "transient", "temporary")))
    seconds = st.sampled_from((0.0, 0.0, 0.0, 1.0, 3.0))
    return Leaf(
        restart=restart,  # type: ignore[arg-type]
        significant=significant and restart != "permanent" and draw(st.booleans()),
        start_seconds=draw(seconds) if timed else 0.0,
        stop_seconds=draw(seconds) if timed else 0.0,
        shutdown=draw(st.sampled_from((5.0, 2.0, "kill", None))) if timed else 5.0,
    )


@st.composite
def branches(draw: st.DrawFn, *, depth: int = DEPTH, significant: bool = False, timed: bool = False) -> Branch:
    auto: AutoShutdown = draw(st.sampled_from(("never", "never", "any", "all")))
    restart = draw(st.sampled_from(("permanent", "permanent", "transient", "temporary")))
    kinds: st.SearchStrategy[Any] = leaves(significant=auto != "never", timed=timed)
    if depth > 1:
        kinds = st.one_of(kinds, branches(depth=depth - 1, significant=auto != "never", timed=timed))
    backoff = st.sampled_from((None, None, ap.Backoff(1.0, 4.0, jitter=0.0)))
    return Branch(
        strategy=draw(st.sampled_from(STRATEGIES)),
        children=tuple(draw(st.lists(kinds, max_size=3))),
        restart=restart,  # type: ignore[arg-type]
        significant=significant and restart != "permanent" and draw(st.booleans()),
        intensity=draw(st.integers(0, 3)),
        period=draw(st.sampled_from((2.0, 5.0))),
        auto_shutdown=auto,
        backoff=draw(backoff) if timed else None,
    )
