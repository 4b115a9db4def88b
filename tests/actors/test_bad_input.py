"""Classes and calls that cannot work: refused where they are made, with a clear error, and the rest keeps running."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import actorpar as ap

from .staff import Desk, PlainDesk, fails

pytestmark = pytest.mark.virtual_time


class Signatures(ap.Actor):
    """Messages of every shape."""

    def none(self) -> Any:
        return ()

    def one(self, a: int) -> Any:
        return (a,)

    def default(self, a: int = 1, *, b: int = 2) -> Any:
        return (a, b)

    def named(self, *, a: int) -> Any:
        return (a,)

    def many(self, *args: int, **kwargs: int) -> Any:
        return (*args, kwargs)

    def positional(self, a: int, /, b: int = 0) -> Any:
        return (a, b)

    async def two(self, a: int, b: int) -> Any:
        return (a, b)


GOOD: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = [
    (Signatures.none, (), {}, ()),
    (Signatures.one, (None,), {}, (None,)),
    (Signatures.one, (), {"a": 3}, (3,)),
    (Signatures.default, (), {}, (1, 2)),
    (Signatures.default, (5,), {}, (5, 2)),
    (Signatures.default, (), {"b": 5}, (1, 5)),
    (Signatures.named, (), {"a": 1}, (1,)),
    (Signatures.many, (), {}, ({},)),
    (Signatures.many, (1,), {}, (1, {})),
    (Signatures.many, (1, 2, 3), {"x": 1}, (1, 2, 3, {"x": 1})),
    (Signatures.positional, (1,), {}, (1, 0)),
    (Signatures.positional, (1,), {"b": 2}, (1, 2)),
    (Signatures.two, (1, 2), {}, (1, 2)),
    (Signatures.two, (1,), {"b": 2}, (1, 2)),
]
BAD: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (Signatures.none, (1,), {}),
    (Signatures.none, (), {"a": 1}),
    (Signatures.one, (), {}),
    (Signatures.one, (1, 2), {}),
    (Signatures.one, (1,), {"a": 1}),
    (Signatures.default, (1, 2), {}),
    (Signatures.named, (1,), {}),
    (Signatures.named, (), {}),
    (Signatures.positional, (), {"a": 1}),
    (Signatures.two, (1,), {}),
    (Signatures.two, (1, 2, 3), {}),
]


@pytest.mark.parametrize(("method", "args", "kwargs", "answer"), GOOD)
async def test_ac09_arguments_of_every_shape_arrive(method: Any, args: Any, kwargs: Any, answer: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Signatures)
        assert await ref.ask(method, *args, **kwargs) == answer
        ref.tell(Signatures.none)
        assert await ref.ask(method, *args, **kwargs) == answer, "through the mailbox"
        assert ref.tell(method, *args, **kwargs)
        assert kwargs or ref.teller(method)(*args)
        await ref.send(method, *args, **kwargs)
        assert await ref.ask(Signatures.none) == ()


@pytest.mark.parametrize(("method", "args", "kwargs"), BAD)
async def test_ac09_arguments_that_do_not_fit_are_refused_before_anything_is_sent(
    method: Any, args: Any, kwargs: Any
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Signatures)
        with pytest.raises(ap.BadArguments, match="nothing was sent"):
            ref.tell(method, *args, **kwargs)
        if not kwargs:
            with pytest.raises(ap.BadArguments):
                ref.teller(method)(*args)
        await fails(ap.BadArguments, ref.ask(method, *args, **kwargs))
        await fails(ap.BadArguments, ref.send(method, *args, **kwargs))
        ref.tell(Signatures.none)
        await fails(ap.BadArguments, ref.ask(method, *args, **kwargs))
        assert await ref.ask(Signatures.none) == ()
        assert system.counters.crashed == 0


async def test_ac09_hooks_private_and_foreign_names_are_no_messages() -> None:
    class Hidden(PlainDesk):
        constant = print

        def _private(self) -> None: ...

        def on_anything(self) -> None: ...

        @property
        def prop(self) -> int:
            return 1

        @staticmethod
        def static() -> None: ...

        @classmethod
        def make(cls) -> None: ...

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(Hidden)
        for wrong in (Hidden._private, Hidden.on_anything, Hidden.prop, Hidden.static, Hidden.make, Hidden.on_stop):
            with pytest.raises(ap.UnhandledMessage):
                ref.tell(wrong)
        assert await ref.ask(Desk.note, 1) == 1


async def test_ac09_a_thing_whose_repr_raises_is_no_message_either() -> None:
    class Nasty:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

        __hash__ = None  # type: ignore[assignment]

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(PlainDesk)
        with pytest.raises(ap.UnhandledMessage):
            ref.tell(Nasty())
        await fails(ap.UnhandledMessage, ref.ask(Nasty()))
        assert await ref.ask(Desk.note, 1) == 1


@pytest.mark.parametrize(
    "options", [{"mailbox": 0}, {"mailbox": -1}, {"mailbox": "4"}, {"mailbox": True}, {"stash": 0}]
)
def test_ac06_a_class_with_a_senseless_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ap.InvalidActor):

        class Wrong(ap.Actor, **options):
            pass


async def test_ac09_classes_that_cannot_work_are_refused_at_their_first_spawn() -> None:
    class Generates(ap.Actor):
        def items(self) -> Iterator[int]:
            yield 1

    class AsyncGenerates(ap.Actor):
        async def items(self) -> AsyncIterator[int]:
            yield 1

    class Blocks(ap.Actor):
        @ap.blocking
        async def block(self) -> None: ...

    class Hides(ap.Actor):
        def ctx(self) -> None: ...  # type: ignore[override]

    async with ap.ActorSystem() as system:
        for wrong in (Generates, AsyncGenerates, Blocks, Hides):
            error = await fails(ap.InvalidActor, system.spawn(wrong))
            assert wrong.__name__ in str(error)
        assert system.actors == ()


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1", b""])
async def test_ac14_a_deadline_that_is_none_is_refused(seconds: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        with pytest.raises(ValueError, match="within"):
            ref.within(seconds)


async def test_ac09_what_is_no_reference_is_refused_everywhere() -> None:
    async with ap.ActorSystem() as system:
        wrong: Any
        for wrong in (None, "name", PlainDesk, PlainDesk(), object()):
            with pytest.raises(ap.InvalidActor):
                system.kill(wrong)
            await fails(ap.InvalidActor, system.stop(wrong))
            await fails(ap.InvalidActor, system.ended(wrong))
            with pytest.raises(ap.InvalidActor):
                system.groups.join("g", wrong)


async def test_ac23_what_is_neither_class_nor_function_cannot_be_spawned() -> None:
    async with ap.ActorSystem() as system:
        wrong: Any
        for wrong in (None, 3, "name", PlainDesk()):
            with pytest.raises((TypeError, ap.ActorparError)):
                await system.spawn(wrong)
        assert system.actors == ()


async def test_ac23_an_actor_made_by_hand_has_no_runtime_and_says_so() -> None:
    alone = PlainDesk()
    assert "not started" in repr(alone)
    with pytest.raises((ap.ActorError, AttributeError)):
        _ = alone.ctx.ref


async def test_ac23_init_may_already_use_the_context() -> None:
    class Early(PlainDesk):
        def __init__(self) -> None:
            super().__init__()
            self.notes.append(self.ctx.name)

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Early, name="early")
        assert await ref.ask(Desk.look) == ["early"]


async def test_ac23_actors_with_slots_work() -> None:
    class Slim(ap.Actor):
        __slots__ = ("count",)

        def __init__(self) -> None:
            self.count = 0

        def add(self, n: int) -> int:
            self.count += n
            return self.count

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Slim)
        ref.tell(Slim.add, 1)
        assert await ref.ask(Slim.add, 2) == 3


async def test_ac09_context_calls_outside_of_a_handler_are_refused_where_they_need_one() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        ctx: Any = await ref.ask(Desk.do, lambda actor: actor.ctx)
        for call in (ctx.stash, ctx.defer, lambda: ctx.forward(ref, Desk.note, 1), lambda: ctx.deadline):
            with pytest.raises(ap.ActorError):
                call()
        assert ctx.ref == ref


async def test_ac09_whoever_calls_a_method_of_a_reference_is_told_how_to_ask() -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(PlainDesk)
        for each in (ref, ref.within(1)):
            with pytest.raises(AttributeError, match=r"ref\.ask\(Class\.note, …\)"):
                each.note(1)
            assert not hasattr(each, "notes")


async def test_ac23_an_object_is_no_class_to_spawn() -> None:
    async with ap.ActorSystem() as system:
        actor: Any = PlainDesk()
        ref = await system.spawn(PlainDesk)
        for spawn in (system.spawn, await ref.ask(Desk.do, lambda actor: actor.ctx.spawn)):
            with pytest.raises(ap.InvalidActor, match=r"spawn\(PlainDesk, …\)"):
                await spawn(actor)


async def test_ac45_a_copy_of_a_reference_is_the_reference_and_pickling_it_is_refused() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        for each in (ref, ref.within(1)):
            assert copy.copy(each) is each
            assert copy.deepcopy([each]) == [each]
            with pytest.raises(ap.NotPicklable, match="pass it as an argument"):
                pickle.dumps(each)
