"""What this node starts on others: actors, processes, and the children of supervisors (AC-57).

Invariants
- Whoever is cancelled while it waits for a start leaves nothing behind: what was begun is ended over there.
- A child is one question from its start to its end, so the loss of its node is told like that of any answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..actors.errors import StartFailed
from ..actors.reason import Restart
from ..actors.ref import ActorRef
from ..nodes.codec.schema import schema_of
from ..nodes.codec.signature import signature_of
from ..nodes.errors import CodecError
from . import messages as m
from .naming import is_actor, name_of
from .process import RemoteChild, RemoteProcess
from .reasons import reason_of, told
from .ref import RemoteRef

if TYPE_CHECKING:
    from ..channels.group import ProcessGroup
    from ..nodes.link import Link
    from .hub import Hub
    from .question import Question

logger = logging.getLogger("actorpar.nodes")


class Starting:
    """The side of a hub that starts things on other nodes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def spawn(
        self, node: bytes, target: Any, args: tuple[Any, ...], name: str | None, propagate: bool, group: ProcessGroup
    ) -> Any:
        """Start an actor, or a process of the group, on another node. NotImportable, NodeDown, StartFailed.

        Cancelled: what was begun is ended.
        """
        hub = self._hub
        question = self._begin(node, target, args, name, propagate=propagate)
        try:
            await question.wait()
        except asyncio.CancelledError:
            if question.process is None:
                hub.questions.pop(question.op, None)
            if isinstance(question.value, RemoteRef):  # it has just started
                question.value.kill()
            else:
                hub.cancel(question)
            raise
        if question.process is None:
            hub.questions.pop(question.op, None)
            return question.value
        group.adopt(question.process.follow(), name=name)
        return question.process

    def foster(
        self, node: bytes, target: Any, args: tuple[Any, ...], name: str | None, shutdown: float | None,
        restart: Restart | None, keep: Callable[[Any], None],
    ) -> RemoteProcess:  # fmt: skip
        """Begin to start a supervisor's child on another node; `started` of what is returned waits for it.

        It has `shutdown` seconds to stop once this node is down. `keep` is called with what it keeps for the next
        incarnation. NotImportable, NodeDown, CodecError.
        """
        question = self._begin(node, target, args, name, shutdown=shutdown, restart=restart, keep=keep)
        assert question.process is not None
        return question.process

    def _begin(
        self, node: bytes, target: Any, args: tuple[Any, ...], name: str | None, *, propagate: bool = False,
        shutdown: float | None = None, restart: Restart | None = None, keep: Callable[[Any], None] | None = None,
    ) -> Question:  # fmt: skip
        """Tell another node to start something; with `keep` it is a child of a supervisor."""
        actor, label = is_actor(target), name_of(target)
        signature = signature_of(target.__init__ if actor else target, 1 if actor else 0)
        hub = self._hub
        link = hub.link(node)
        restarted = None
        state: tuple[bytes, list[Any]] = (b"", [])
        if restart is not None:  # before the arguments, whose ends it must not take along if it cannot go
            state = schema_of(Any).encode([restart.state], link.port)
        names, body, buffers = signature.encode(args, {}, link.port)
        if restart is not None:
            restarted = m.Restarted(told(restart.reason), restart.count, len(body), len(buffers))
        child = None if keep is None else m.AsChild(shutdown, restarted)
        question = hub.ask(node, signature, label)
        if actor:
            question.declared = ActorRef[target]
        if keep is not None or not actor:
            end = functools.partial(hub.cancel, question)
            question.process = (RemoteChild if actor else RemoteProcess)(name or target.__name__, question, end, keep)
        envelope = m.Spawn(question.op, label, name, propagate, len(args), names, child)
        link.call(m.LANE, m.pack(envelope, body + state[0]), [*buffers, *state[1]])
        return question

    # -- what other nodes say

    def started(self, link: Link, started: m.Started) -> None:
        """Something runs."""
        question = self._hub.questions.get(started.op)
        try:
            if question is None:
                if started.reference:  # whoever wanted it was cancelled meanwhile
                    self._hub.say(link, m.Stop(m.described(started.reference)[1], None, kill=True))
            elif started.reference:
                question.settle(self._hub.accept(question.declared, started.reference, link))
            else:
                question.settle(None)
        except CodecError as error:
            logger.warning("%s has started something that it cannot name: %s", link.name, error)
            if question is not None:
                question.settle(None, error)

    def ended(self, ended: m.Ended) -> None:
        """A child has ended."""
        question = self._hub.questions.pop(ended.op, None)
        if question is None or not isinstance(question.process, RemoteChild):
            return
        reason = reason_of(ended.why)
        question.settle(None, StartFailed(f"{question.target} ended before it had started: {reason}"))
        question.process.ended(reason)
        if isinstance(question.value, RemoteRef):
            question.value.has_ended(reason)

    def kept(self, link: Link, kept: m.Kept, body: Any, buffers: list[Any]) -> None:
        """A child keeps a state for its next incarnation."""
        question = self._hub.questions.get(kept.op)
        if question is None or question.process is None or question.process.keep is None:
            return
        try:
            (state,) = schema_of(Any).decode(body, buffers, link.port)
        except (CodecError, ValueError) as error:
            logger.warning("%s: what it keeps is lost: %s", question.target, error)
        else:
            question.process.keep(state)
