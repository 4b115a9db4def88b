"""A system and the actors on other nodes: references, questions that wait for an answer, watches, what is spawned.

Invariants
- Every question, process and watch of a node that goes down is told so at once (AC-16, AC-32).
- There is one RemoteRef here for each actor, so that references can be compared.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import weakref
from typing import TYPE_CHECKING, Any, get_args

from ..actors.cell import Cell
from ..actors.errors import ActorDead, HandlerFailed, MailboxFull, Reject, StartFailed, UnhandledMessage
from ..actors.kind import Message, kind_of
from ..actors.reason import NOCONNECTION, Reason
from ..actors.ref import ActorRef
from ..actors.timed import Timed
from ..channels import env
from ..nodes.codec.schema import register_portable
from ..nodes.codec.signature import Signature, signature_of
from ..nodes.errors import CodecError, NodeDown, NodeError, NotImportable, RemoteError
from ..nodes.node import GUEST
from . import messages as m
from .naming import is_actor, name_of, resolve
from .process import RemoteProcess
from .question import SETTLED, Question
from .ref import RemoteRef, call_signature
from .survey import Survey

if TYPE_CHECKING:
    from ..channels.group import ProcessGroup
    from ..nodes.link import Link
    from ..nodes.node import Node
    from ..nodes.remote.ops import Member
    from ..nodes.remote.peer import Peer
    from ..system import ActorSystem
    from .serving import Serving

logger = logging.getLogger("actorpar.nodes")

register_portable(ActorRef)


class Hub:
    """The side of a system that looks to other nodes. `serving` is the side that other nodes see."""

    def __init__(self, system: ActorSystem, node: Node, served: tuple[str, ...]) -> None:
        from .serving import Serving

        self.system = system
        self.node = node
        self.served = served
        self.serving: Serving = Serving(self)
        self.survey = Survey(system, node)
        self.cells: dict[bytes, Cell] = {}
        self._ids: weakref.WeakKeyDictionary[Cell, bytes] = weakref.WeakKeyDictionary()
        self._refs: weakref.WeakValueDictionary[tuple[bytes, bytes], RemoteRef] = weakref.WeakValueDictionary()
        self._watched: dict[tuple[bytes, bytes], RemoteRef] = {}
        self._questions: dict[int, Question] = {}
        self._ops = itertools.count(1)
        self._turns: dict[str, int] = {}
        node.references = self
        node.on_call = self._called
        node.watch_links(self._link_down)

    # -- references, as they cross links

    def export(self, reference: Any, to: Peer) -> bytes:
        """Describe a reference for another node."""
        if isinstance(reference, Timed):
            reference = reference.cell
        if isinstance(reference, RemoteRef):
            kind, label = reference.kind, reference.label
            return m.describe(reference.node, reference.id, _class_name(kind.cls), label)
        if not isinstance(reference, Cell):
            raise CodecError(f"{reference!r} is no reference to an actor")
        return m.describe(self.node.id, self.id_of(reference), _class_name(reference.kind.cls), reference.name)

    def id_of(self, cell: Cell) -> bytes:
        """The id under which other nodes know an actor of this one."""
        known = self._ids.get(cell)
        if known is None:
            known = self._ids[cell] = bytes.fromhex(env.new_id())
            self.cells[known] = cell
            self.serving.on_end(cell, lambda: self.cells.pop(known, None))
        return known

    def accept(self, declared: Any, data: bytes, peer: Peer) -> ActorRef[Any]:
        """The reference that another node has described."""
        node, id, name, label = m.described(data)
        if node == self.node.id:
            cell = self.cells.get(id)
            if cell is None:
                raise CodecError("a reference to an actor of this node that does not live any more")
            return cell
        known = self._refs.get((node, id))
        if known is not None:
            return known
        args = get_args(declared)
        cls = args[0] if args and is_actor(args[0]) else self._class(name)
        ref = self._refs[node, id] = RemoteRef(self, node, id, kind_of(cls), label)
        return ref

    def adopt(self, ref: RemoteRef) -> None:
        """A reference has come as an argument of this process."""
        self._refs[ref.node, ref.id] = ref

    def _class(self, name: str) -> Any:
        try:
            found = resolve(name, self.served)
        except NotImportable as error:
            raise CodecError(str(error)) from None
        if not is_actor(found):
            raise CodecError(f"{name} is no Actor class")
        return found

    # -- where things run

    def nodes(self) -> tuple[Member, ...]:
        """The nodes that may be given work, by name: the others, or this one if there are none."""
        return self._workers() or (self.node.member,)

    def _workers(self) -> tuple[Member, ...]:
        others = [each for each in self.node.members.values() if GUEST not in each.labels]
        return tuple(sorted(others, key=lambda member: member.name))

    async def wait_for_nodes(self, count: int, timeout: float | None) -> tuple[Member, ...]:
        """Wait until so many other nodes are linked. TimeoutError."""
        changed = asyncio.Event()
        unwatch = self.node.watch(lambda _: changed.set())
        try:
            async with asyncio.timeout(timeout):
                while len(self._workers()) < count:
                    changed.clear()
                    await changed.wait()
        finally:
            unwatch()
        return self.nodes()

    def traffic(self) -> dict[str, tuple[int, int]]:
        """Bytes to and from each node that is linked, by its name."""
        return {link.name: link.traffic for link in self.node.links.values()}

    def named(self, on: Member | str | None) -> list[Member]:
        """The nodes that `on` names, by itself, their name or a label; None: all of `nodes`. There may be none."""
        if on is None:
            return list(self.nodes())
        if not isinstance(on, str):
            return [each for each in (*self.nodes(), self.node.member) if each.node == on.node][:1]
        if on == self.node.name:
            return [self.node.member]
        return [each for each in self.nodes() if each.name == on] or [e for e in self.nodes() if on in e.labels]

    def placed(self, on: Member | str) -> bytes | None:
        """The node that `on` names, by itself, its name or a label; None for this one. NodeDown if there is none."""
        if not isinstance(on, str):
            return None if on.node == self.node.id else on.node
        named = self.named(on)
        if not named:
            known = ", ".join(each.name for each in self.nodes()) or "none"
            raise NodeDown(f"no node has the name or the label {on!r}; there are: {known}", node=on)
        self._turns[on] = turn = self._turns.get(on, -1) + 1
        chosen = named[turn % len(named)].node
        return None if chosen == self.node.id else chosen

    def is_away(self, ref: object) -> bool:
        """True for a reference to an actor on another node."""
        return isinstance(ref, RemoteRef)

    # -- asking other nodes

    def link_of(self, ref: RemoteRef) -> Link:
        """The link to the node of an actor. NodeDown."""
        return self.link(ref.node)

    def link(self, node: bytes) -> Link:
        """The link to a node. NodeDown."""
        if node not in self.node.links:
            try:
                self.node.peer(node)
            except NodeError as error:
                raise NodeDown(f"node {node.hex()[:8]} is down, or was never known here", node="") from error
        return self.node.links[node]

    def question(self, ref: RemoteRef, message: Message) -> Question:
        """A question to an actor; `forget` it when it is over."""
        return self._ask(ref.node, call_signature(message), f"{ref.name}: {message.name}")

    def _ask(self, node: bytes, signature: Signature, target: str) -> Question:
        op = next(self._ops)
        question = self._questions[op] = Question(self.node.queue, op, node, signature, target)
        return question

    def forget(self, question: Question) -> None:
        """Nobody waits for the answer any more."""
        if self._questions.pop(question.op, None) is not None and question.state != SETTLED:
            self._cancel(question)

    async def spawn(
        self, node: bytes, target: Any, args: tuple[Any, ...], name: str | None, propagate: bool, group: ProcessGroup
    ) -> Any:
        """Start an actor, or a process of the group, on another node. NotImportable, NodeDown, StartFailed."""
        actor = is_actor(target)
        told = name_of(target)
        signature = signature_of(target.__init__ if actor else target, 1 if actor else 0)
        link = self.link(node)
        names, body, buffers = signature.encode(args, {}, link.port)
        question = self._ask(node, signature, told)
        question.process = None if actor else RemoteProcess(name or target.__name__, lambda: self._cancel(question))
        envelope = m.Spawn(question.op, told, name, propagate, len(args), names)
        link.call(m.LANE, m.pack(envelope, body), buffers)
        try:
            await question.wait()
        except asyncio.CancelledError:
            self._cancel(question)
            raise
        if actor:
            self._questions.pop(question.op, None)
            return self.accept(type(target), question.value, link)
        assert question.process is not None
        group.adopt(question.process.follow(), name=name)
        return question.process

    def _cancel(self, question: Question) -> None:
        link = self.node.links.get(question.node)
        if link is not None:
            link.call(m.LANE, m.pack(m.Cancel(question.op)), [])

    def watch(self, ref: RemoteRef) -> None:
        """Have the other node say when the actor has ended."""
        self._watched[ref.node, ref.id] = ref
        try:
            self.link_of(ref).call(m.LANE, m.pack(m.Watch(ref.id)), [])
        except NodeDown:
            self.system.dispatcher.loop.call_soon(ref.has_ended, NOCONNECTION)

    def exit(self, ref: RemoteRef) -> bool:
        """An actor here that was linked to `ref` has ended abnormally."""
        link = self.node.links.get(ref.node)
        if link is None or ref.reason is not None:
            return False
        link.call(m.LANE, m.pack(m.Exit(ref.id, "the actor that it was linked to has ended")), [])
        return True

    async def stop(self, ref: RemoteRef, seconds: float | None, *, kill: bool = False) -> Reason:
        """Stop an actor on another node and wait for its end."""
        ended: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        ref.add_done_callback(lambda end: ended.done() or ended.set_result(end.reason))  # type: ignore[func-returns-value]
        if ref.reason is None:
            self.link_of(ref).call(m.LANE, m.pack(m.Stop(ref.id, seconds, kill)), [])
        return await ended

    def dead_letter(self, ref: RemoteRef, message: str, why: str) -> None:
        """A message to an actor on another node did not go."""
        self.system.dispatcher.counters.dead_letters[why] += 1
        logger.warning("%s: %s became a dead letter: %s", ref.name, message, why)

    # -- what other nodes say

    def _called(self, link: Link, lane: int, body: Any, buffers: list[Any]) -> None:
        envelope, rest = m.unpack(body)
        match envelope:
            case m.Started():
                self._started(envelope)
            case m.Returned():
                self._returned(link, envelope, rest, buffers)
            case m.Failed():
                self._failed(envelope)
            case m.Room():
                ref = self._refs.get((link.node, envelope.actor))
                if ref is not None:
                    ref.room(envelope.messages)
            case m.Figures():
                self.survey.told(link, envelope)
            case m.Down():
                ref = self._watched.pop((link.node, envelope.actor), None)
                if ref is not None:
                    ref.has_ended(reason_from(envelope.kind, envelope.message))
            case _:
                self.serving.called(link, envelope, rest, buffers)

    def _started(self, started: m.Started) -> None:
        question = self._questions.get(started.op)
        if question is not None:
            question.settle(started.reference)

    def _returned(self, link: Link, returned: m.Returned, body: Any, buffers: list[Any]) -> None:
        question = self._questions.pop(returned.op, None)
        if question is None:
            return
        try:
            value = question.signature.result.decode(body, buffers, link.port)[0]
        except (CodecError, IndexError) as error:
            self._give(question, RemoteError("CodecError", f"{question.target} answered something else: {error}"))
            return
        if question.process is not None:
            question.process.returned(value)
        else:
            question.settle(value)

    def _failed(self, failed: m.Failed) -> None:
        question = self._questions.pop(failed.op, None)
        if question is None:
            return
        if failed.how == "cancelled" and question.process is not None:
            question.process.ended_cancelled()
            return
        self._give(question, error_from(question.target, failed))

    def _give(self, question: Question, error: BaseException) -> None:
        """The question comes to nothing: tell who waits."""
        if not question.settle(None, error) and question.process is not None:
            question.process.failed(error)

    def _link_down(self, link: Link, error: NodeDown) -> None:
        for question in [each for each in self._questions.values() if each.node == link.node]:
            self._questions.pop(question.op, None)
            self._give(question, NodeDown(f"{question.target}: {error}", node=link.name))
        for key in [key for key in self._watched if key[0] == link.node]:
            self._watched.pop(key).has_ended(NOCONNECTION)
        for (node, _), ref in list(self._refs.items()):
            if node == link.node:
                ref.has_ended(NOCONNECTION)
        self.serving.link_down(link)


def _class_name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def reason_from(kind: str, message: str) -> Reason:
    """The reason of an end on another node."""
    if kind == "error":
        name, _, text = message.partition(": ")
        return Reason("error", error=RemoteError(name, text))
    return Reason(kind if kind in ("normal", "shutdown", "killed", "noproc") else "noconnection")  # type: ignore[arg-type]


def error_from(target: str, failed: m.Failed) -> BaseException:
    """What is raised here for what failed over there (NET-47)."""
    cause = RemoteError(failed.kind, failed.message, details=failed.details)
    error: BaseException
    match failed.how:
        case "start":
            error = StartFailed(f"{target} did not start: {cause}")
        case "handler":
            error = HandlerFailed(f"{target}: its handler raised {cause}")
        case "dead":
            return ActorDead(failed.message)
        case "full":
            return MailboxFull(failed.message)
        case "unhandled":
            return UnhandledMessage(failed.message)
        case "import":
            return NotImportable(failed.message)
        case "reject":
            error = Reject(failed.message)
        case _:
            return cause
    error.__cause__ = cause
    return error
