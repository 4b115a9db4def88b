"""How a process ends: its result, its failure, and what is left of it."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import types
import weakref
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

import actorpar as ap

from .running import alone, settle

#: The collector of the interpreter goes through all that the whole run has made.
COLLECTS = pytest.mark.may_block


async def fail(error: BaseException) -> None:
    raise error


async def test_awaiting_a_process_gives_its_result_as_often_as_one_asks() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(asyncio.sleep, 0, "result")
        assert [await process, await process, process.result()] == ["result"] * 3


async def test_a_result_may_be_an_exception_or_none() -> None:
    async def give(value: Any) -> Any:
        return value

    error = ValueError()
    assert await alone(give, error) is error
    assert await alone(give, None) is None


async def test_awaiting_a_failed_process_raises_its_very_exception() -> None:
    error = ValueError("mine")
    async with ap.ActorSystem() as system:
        process = await system.spawn(fail, error)
        with pytest.raises(ValueError) as caught:
            await process
    assert caught.value is error
    assert process.exception() is error


async def test_a_process_cannot_await_itself() -> None:
    async def narcissus() -> None:
        task = asyncio.current_task()
        assert task is not None
        await task

    async with asyncio.timeout(5) as limit:
        with pytest.raises(RuntimeError):
            await alone(narcissus)
    assert not limit.expired()


class Awkward(Exception):
    """Says nothing about itself without failing, and is equal to nothing."""

    def __repr__(self) -> str:
        raise ZeroDivisionError

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = Exception.__hash__


async def test_an_exception_that_cannot_be_shown_or_compared_fails_its_process_like_any_other() -> None:
    with pytest.raises(Awkward):
        await alone(fail, Awkward())


async def test_an_awkward_exception_after_the_first_failure_does_not_replace_it() -> None:
    async def fail_when_cancelled() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        raise Awkward

    async with asyncio.timeout(5) as limit:
        with pytest.raises(ValueError, match="first"):
            async with ap.ProcessGroup() as group:
                group.spawn(fail_when_cancelled)
                await settle()
                group.spawn(fail, ValueError("first"))
    assert not limit.expired()


async def test_a_stop_iteration_raised_in_a_process_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError) as caught:
        await alone(fail, StopIteration("no result"))
    assert isinstance(caught.value.__cause__, StopIteration)


async def test_an_exception_group_stays_whole() -> None:
    error = ExceptionGroup("two", [ValueError(), TypeError()])
    with pytest.raises(ExceptionGroup) as caught:
        await alone(fail, error)
    assert caught.value is error


@pytest.mark.parametrize("value", [42, "text", object()])
async def test_a_bad_yield_fails_at_the_await_that_made_it(value: object) -> None:
    @types.coroutine
    def yield_it() -> Generator[Any, Any, None]:
        yield value

    async def process() -> str:
        with pytest.raises(RuntimeError):
            await yield_it()
        return "went on"

    assert await alone(process) == "went on"


async def test_a_future_of_another_loop_is_refused() -> None:
    other = asyncio.new_event_loop()
    foreign = other.create_future()

    async def process() -> str:
        with pytest.raises(RuntimeError):
            await foreign
        return "went on"

    assert await alone(process) == "went on"
    other.close()


def test_keyboard_interrupt_in_a_process_ends_the_program() -> None:
    ended: list[str] = []
    end_with(KeyboardInterrupt, ended)
    assert ended == ["other", "main"]


def test_system_exit_in_a_process_ends_the_program_with_its_code() -> None:
    ended: list[str] = []
    assert end_with(functools.partial(SystemExit, 3), ended).code == 3  # type: ignore[attr-defined]
    assert ended == ["other", "main"]


def end_with(make: Callable[[], BaseException], ended: list[str]) -> BaseException:
    """Raise what `make` makes in a process beside another one; note who could clean up, and return what came out."""

    async def other() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("other")

    async def raise_it() -> None:
        raise make()

    async def main() -> None:
        try:
            async with ap.ProcessGroup() as group:
                group.spawn(other)
                await settle()
                group.spawn(raise_it)
                group.spawn(asyncio.sleep, 0)
        finally:
            ended.append("main")

    error = make()
    with pytest.raises(type(error)) as caught:
        asyncio.run(main())
    return caught.value


@COLLECTS
async def test_a_finished_process_is_freed() -> None:
    reference = await spawn_and_forget(asyncio.sleep, 0)
    assert reference() is None


@COLLECTS
async def test_a_process_that_had_to_wait_is_freed() -> None:
    tx, rx = ap.open_channel[int](0)
    async with ap.ProcessGroup() as group:
        reference = weakref.ref(group.spawn(tx.send, 1))
        assert await rx.receive() == 1
    del group
    await settle()
    gc.collect()
    assert reference() is None
    tx.close()
    rx.close()


async def spawn_and_forget(target: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> weakref.ref[Any]:
    """Run a process in a group, and keep nothing of it but a weak reference."""
    async with ap.ProcessGroup() as group:
        reference = weakref.ref(group.spawn(target, *args))
    del group
    await settle()
    gc.collect()
    return reference


@COLLECTS
async def test_a_cancelled_process_is_freed() -> None:
    async with ap.ProcessGroup() as group:
        reference = weakref.ref(group.spawn(asyncio.sleep, 60))
        await settle()
        group.cancel()
    del group
    await settle()
    gc.collect()
    assert reference() is None


@COLLECTS
async def test_who_keeps_a_failure_keeps_no_other_process() -> None:
    bystanders: list[weakref.ref[ap.Process[None]]] = []

    async def run_both() -> None:
        async with ap.ProcessGroup() as group:
            group.spawn(fail, ValueError())
            bystanders.append(weakref.ref(group.spawn(asyncio.sleep, 0)))

    with pytest.raises(ValueError) as caught:
        await run_both()
    await settle()
    gc.collect()
    assert isinstance(caught.value, ValueError)
    assert bystanders[0]() is None


async def test_the_traceback_of_a_failure_is_that_of_the_process() -> None:
    async def inner() -> None:
        raise ValueError

    async with ap.ActorSystem() as system:
        process = await system.spawn(inner)
        await asyncio.wait([process])
    error = process.exception()
    assert error is not None
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_code.co_name == "inner"


async def test_a_process_whose_coroutine_is_closed_by_its_own_hand_ends() -> None:
    async def process() -> None:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await alone(process)
