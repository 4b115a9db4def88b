"""What a stage is: a function, how many workers run it, and what happens to an item it fails on."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, get_args, overload

from .errors import InvalidPipeline
from .retry import Retry

if TYPE_CHECKING:
    from ..nodes.remote.ops import Member

A = TypeVar("A")
B = TypeVar("B")
A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)

#: What becomes of an item on which the function of a stage has failed for good.
OnError = Literal["fail", "skip"]

#: Places of the window of an ordered stage, for each of its workers, unless the stage says otherwise.
WINDOW_PER_WORKER = 4


class DeadLetterItem(NamedTuple):
    """An item that a stage with `on_error="skip"` gave up on."""

    #: The name of the stage.
    stage: str
    #: The item as the stage received it.
    item: Any
    #: What its function raised at the last attempt.
    error: Exception


@dataclass(frozen=True, slots=True)
class Stage(Generic[A_contra, B_co]):
    """A step of a pipeline from items of A to items of B; made by `stage`, and usable in several pipelines."""

    fn: Callable[..., Any]
    name: str
    workers: int
    #: How many items the stage may have in hand while it keeps their order; 0 where no order has to be kept.
    window: int
    on_error: OnError
    retry: Retry | None
    blocking: bool
    #: The function is known to be `async def`.
    asynchronous: bool
    #: Where it runs: None is here, with `per_node` 0; otherwise a node, its name or a label, None for every node.
    on: Any = None
    per_node: int = 0


@overload
def stage(
    fn: Callable[[A], Awaitable[B]],
    /,
    *,
    workers: int = 1,
    ordered: bool = True,
    window: int | None = None,
    on_error: OnError = "fail",
    retry: Retry | None = None,
    name: str | None = None,
    on: Member | str | None = None,
    per_node: int | None = None,
) -> Stage[A, B]: ...
@overload
def stage(
    fn: Callable[[A], B],
    /,
    *,
    workers: int = 1,
    ordered: bool = True,
    window: int | None = None,
    on_error: OnError = "fail",
    retry: Retry | None = None,
    blocking: bool = False,
    name: str | None = None,
    on: Member | str | None = None,
    per_node: int | None = None,
) -> Stage[A, B]: ...
def stage(
    fn: Callable[[Any], Any],
    /,
    *,
    workers: int = 1,
    ordered: bool = True,
    window: int | None = None,
    on_error: OnError = "fail",
    retry: Retry | None = None,
    blocking: bool = False,
    name: str | None = None,
    on: Member | str | None = None,
    per_node: int | None = None,
) -> Stage[Any, Any]:
    """Declare a stage of a pipeline: `fn` is called with each item, and what it returns goes on to the next stage.

    fn        an `async def` function of one argument, or one that returns an awaitable; any other function is called
              in place, where it must not block
    workers   how many items are worked on at a time
    ordered   results leave in the order of the items; False: as they come
    window    how many items an ordered stage may have in hand, results that wait for an earlier one included; the
              default is 4 for each worker. A slow item stops the stage when its window is full; memory does not grow
    on_error  when `fn` raises an Exception: "fail" ends the pipeline with it, "skip" leaves the item out, counts it,
              and hands it to the `on_dead_letter` of the pipeline
    retry     try an item again first, `ap.Retry(attempts=3)`
    blocking  run a plain `fn` in a thread of the loop's default executor. A cancelled pipeline does not wait for the
              thread, and drops what it returns
    name      for the view, errors and logs; the default is the name of the function
    on        run it on other nodes: one of `system.nodes`, or the name or a label of some
    per_node  how many items each of these nodes works on at a time, 1; without `on`, on every node of the system, or on
              this one if there are no others. Twice as many items as that are in the stage, so that none waits for the
              next. What `fn` raises over there is a RemoteError here, and a node that is lost with an item in hand a
              WorkerLost: `retry=ap.Retry(only=(ap.WorkerLost,))` has it done again, by another one

    Raises InvalidPipeline for what makes no sense.
    """
    if not callable(fn):
        raise InvalidPipeline(f"a stage is made of a function of one argument, not of {fn!r}")
    asynchronous = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__)
    if blocking and asynchronous:
        raise InvalidPipeline(f"{fn!r} is async: blocking=True is for plain functions, which run in a thread then")
    if per_node is not None and not _is_count(per_node):
        raise InvalidPipeline(f"per_node must be an int of at least 1, not {per_node!r}")
    elsewhere = on is not None or per_node is not None
    if elsewhere and workers != 1:
        raise InvalidPipeline(f"workers={workers!r}: a stage that runs on nodes has per_node={workers!r}")
    if not _is_count(workers):
        raise InvalidPipeline(f"workers must be an int of at least 1, not {workers!r}")
    if on_error not in get_args(OnError):
        raise InvalidPipeline(f'on_error is "fail" or "skip", not {on_error!r}; for another attempt: retry=ap.Retry()')
    if retry is not None and not isinstance(retry, Retry):
        raise InvalidPipeline(f"retry takes an ap.Retry, not {retry!r}")
    if window is not None and not (ordered and _is_count(window) and window >= workers):
        raise InvalidPipeline(
            f"window={window!r}: it is for ordered stages, and must be an int of at least `workers`, which is {workers}"
        )
    keeps_order = ordered and (workers > 1 or elsewhere)  # one worker keeps it by itself
    places = (WINDOW_PER_WORKER * workers if window is None else window) if keeps_order else 0
    per_node = (per_node or 1) if elsewhere else 0
    return Stage(fn, name or _name_of(fn), workers, places, on_error, retry, blocking, asynchronous, on, per_node)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _name_of(fn: Callable[..., Any]) -> str:
    while isinstance(fn, partial):
        fn = fn.func
    return getattr(fn, "__name__", None) or type(fn).__name__
