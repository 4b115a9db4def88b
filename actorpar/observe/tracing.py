"""OpenTelemetry spans of the messages of a system: `pip install 'actorpar[otel]'`, then `instrument(system)`.

The context of whoever sends a message travels with it. The handler runs in it, in a span of its own, `Class.method`,
whose parent is the span of the sender; so a request can be followed through all actors that had a part in it. What a
handler raises is recorded. Timers and feeds are nobody's message: what they send begins new traces.

While a system is instrumented each message takes the way of a traced one: asks go through the mailbox, and a tell costs
several times as much.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider

from .. import __version__
from ..actors.entry import Call
from ..actors.errors import Reject
from ..actors.reason import describe
from ..channels import env
from .taps import taps_of
from .text import printable

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from ..actors.cell import Cell
    from ..system import ActorSystem


class Instrumentation:
    """The spans of one system. Made by `instrument`."""

    def __init__(self, system: ActorSystem, tracer: Tracer) -> None:
        self._taps = taps_of(system.dispatcher)
        self._system = system
        self._tracer = tracer
        self._taps.listen(self._carry)

    def close(self) -> None:
        """Begin no more spans; messages under way still end theirs. Idempotent."""
        self._taps.leave(self._carry)

    def _carry(self, cell: Cell, call: Call) -> Call:
        attributes = {"actorpar.system": self._system.name, "actorpar.actor": cell.name}
        return _SpannedCall(call, cell, self._tracer, contexts.get_current(), attributes)


def instrument(system: ActorSystem, provider: TracerProvider | None = None) -> Instrumentation:
    """Make a span of each message that a running system handles, of actors that start later too.

    The provider is the global one, unless one is given. ActorError if the system is not running.
    """
    return Instrumentation(system, trace.get_tracer("actorpar", __version__, provider))


class _SpannedCall(Call):
    """A message with the context of its sender."""

    __slots__ = ("_attributes", "_context", "_is_shared", "_sent", "_span_name", "_tracer")

    def __init__(
        self, call: Call, cell: Cell, tracer: Tracer, context: contexts.Context, attributes: dict[str, Any]
    ) -> None:
        super().__init__(call.function, call.args, call.kwargs, call.request)
        self._span_name = f"{cell.kind.name}.{call.name}"
        self._is_shared = cell.kind.reentrant
        self._tracer = tracer
        self._context = context
        self._attributes = attributes
        self._sent = env.clock()

    def call(self, actor: Actor) -> Any:
        self._attributes["actorpar.asked"] = self.request is not None
        self._attributes["actorpar.waited_seconds"] = env.clock() - self._sent
        span = self._tracer.start_span(self._span_name, self._context, attributes=self._attributes)
        inside = trace.set_span_in_context(span, self._context)
        token = contexts.attach(inside)
        try:
            result = super().call(actor)
        except BaseException as failure:
            _fail(span, failure)
            raise
        finally:
            contexts.detach(token)
        if type(result) is not CoroutineType:
            span.end()
            return result
        handler: Any = _shared(result, span, inside) if self._is_shared else _alone(result, span, inside)
        handler.__name__, handler.__qualname__ = result.__name__, result.__qualname__
        return handler


async def _alone(coroutine: Coroutine[Any, Any, Any], span: Span, inside: contexts.Context) -> Any:
    """Run a handler in its span; nothing else runs in the actor's context meanwhile."""
    token = contexts.attach(inside)
    try:
        result = await coroutine
    except BaseException as failure:
        _fail(span, failure)
        raise
    finally:
        contexts.detach(token)
    span.end()
    return result


async def _shared(coroutine: Coroutine[Any, Any, Any], span: Span, inside: contexts.Context) -> Any:
    """Run a handler of a reentrant actor, whose handlers take turns in one context."""
    try:
        result = await _steps(coroutine, inside)
    except BaseException as failure:
        _fail(span, failure)
        raise
    span.end()
    return result


@types.coroutine
def _steps(coroutine: Coroutine[Any, Any, Any], inside: contexts.Context) -> Generator[Any, Any, Any]:
    """Await a coroutine, in the context `inside` at each of its steps and nowhere between them."""
    step: Any = coroutine.send
    given: Any = None
    while True:
        token = contexts.attach(inside)
        try:
            signal = step(given)
        except StopIteration as stop:
            return stop.value
        finally:
            inside = contexts.get_current()
            contexts.detach(token)
        try:
            step, given = coroutine.send, (yield signal)
        except BaseException as thrown:
            step, given = coroutine.throw, thrown


def _fail(span: Span, failure: BaseException) -> None:
    """A handler raised. A Reject is an answer, not an error of the actor."""
    try:
        span.record_exception(failure)
    except Exception:  # the text of an exception is the user's code
        span.add_event("exception", {"exception.type": type(failure).__qualname__})
    if not isinstance(failure, Reject):
        span.set_status(Status(StatusCode.ERROR, printable(describe(failure))))
    span.end()
