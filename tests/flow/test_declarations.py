"""What makes no sense is refused where it is written, with what to write instead."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.flow.errors import InvalidPipeline
from actorpar.flow.pipeline import pipeline
from actorpar.flow.retry import Retry
from actorpar.flow.stage import stage

from .functions import double


class AsyncCall:
    async def __call__(self, n: int) -> int:
        return n


async def tell(letter: Any) -> None: ...


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"workers": 0}, "workers must be an int of at least 1, not 0"),
        ({"workers": 1.5}, "not 1.5"),
        ({"workers": True}, "not True"),
        ({"on_error": "ignore"}, '"fail" or "skip", not \'ignore\''),
        ({"on_error": "retry"}, "retry=ap.Retry()"),
        ({"retry": 3}, "retry takes an ap.Retry, not 3"),
        ({"workers": 4, "window": 3}, "window=3"),
        ({"window": 8, "ordered": False}, "it is for ordered stages"),
        ({"blocking": True}, "for plain functions"),
    ],
)
def test_a_stage_refuses_options_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        stage(double, **options)
    assert told in str(caught.value)


@pytest.mark.parametrize("fn", [functools.partial(double), AsyncCall()])
def test_an_async_callable_of_any_kind_is_no_blocking_function(fn: Any) -> None:
    with pytest.raises(InvalidPipeline, match="is async"):
        stage(fn, blocking=True)


def test_a_stage_needs_a_function() -> None:
    with pytest.raises(InvalidPipeline, match="not of 3"):
        stage(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attempts": 0}, "at least 1, not 0"),
        ({"base": -1.0}, "0 <= base <= cap"),
        ({"base": 2.0, "cap": 1.0}, "0 <= base <= cap"),
        ({"base": math.nan}, "0 <= base <= cap"),
    ],
)
def test_a_retry_refuses_options_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidPipeline, match=told):
        Retry(**options)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([1],), "needs a stage"),
        (([1], double), "write ap.stage"),
        ((3, stage(double)), "an iterable, not 3"),
    ],
)
def test_a_pipeline_refuses_what_is_no_source_or_stage(arguments: Any, told: str) -> None:
    with pytest.raises(InvalidPipeline, match=told):
        pipeline(*arguments)


@pytest.mark.parametrize("capacity", [-1, math.inf, 1.5, None])
def test_a_pipeline_is_bounded(capacity: Any) -> None:
    with pytest.raises(ap.InvalidCapacity):
        pipeline([1], stage(double), capacity=capacity)


@pytest.mark.parametrize("callback", [tell, 3])
def test_dead_letters_go_to_a_plain_function(callback: Any) -> None:
    with pytest.raises(InvalidPipeline, match="a plain function"):
        pipeline([1], stage(double), on_dead_letter=callback)


@pytest.mark.parametrize(
    ("fn", "name"),
    [(double, "double"), (functools.partial(double), "double"), (AsyncCall(), "AsyncCall"), (lambda n: n, "<lambda>")],
)
def test_a_stage_has_the_name_of_its_function(fn: Any, name: str) -> None:
    assert stage(fn).name == name
    assert stage(fn, name="mine").name == "mine"


def test_a_stage_can_be_used_again() -> None:
    doubling = stage(double, workers=2)
    assert [part.name for part in pipeline([1], doubling, doubling).view().stages] == ["double", "double (2)"]
