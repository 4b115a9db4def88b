"""A system and the actors on other nodes: references, questions that wait for an answer, watches.

Invariants
- Every question, process and watch of a node that goes down is told so at once (AC-16, AC-32).
- There is one RemoteRef here for each actor, so that references can be compared.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import weakref
from typing import TYPE_CHECKING, Any, Final, get_args

from ..actors.cell import Cell
from ..actors.kind import Message, kind_of
from ..actors.reason import NOCONNECTION, Reason
from ..actors.ref import ActorRef
from ..actors.timed import Timed
from ..channels import env
from ..nodes.codec.schema import register_portable
from ..nodes.codec.signature import Signature
from ..nodes.early import EarlyCalls
from ..nodes.errors import CodecError, NodeDown, NodeError, NotImportable, RemoteError
from ..nodes.node import GUEST
from . import messages as m
from .groups import GroupsOfNodes
from .naming import is_actor, name_of_class, resolve
from .question import SETTLED, Question, Relay
from .reasons import error_of, reason_of, told
from .ref import RemoteRef, Unknown, call_signature
from .starting import Starting
from .survey import Survey

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from ..actors.request import Request
    from ..nodes.link import Link
    from ..nodes.node import Node
    from ..nodes.remote.ops import Member
    from ..nodes.remote.peer import Peer
    from ..system import ActorSystem
    from .serving import Serving

logger = logging.getLogger("actorpar.nodes")

#: What may be told to a node that is behind with reading, and is not dropped.
UNREAD: Final = 65536

register_portable(ActorRef)


class Hub:
    """The side of a system that looks to other nodes. `serving` is the side that other nodes see."""

    def __init__(self, system: ActorSystem, node: Node, served: tuple[str, ...]) -> None:
        from .serving import Serving

        self.system = system
        self.node = node
        self.served = served
        self.serving: Serving = Serving(self)
        self.starting = Starting(self)
        self.survey = Survey(system, node)
        self.cells: dict[bytes, Cell] = {}
        self._ids: weakref.WeakKeyDictionary[Cell, bytes] = weakref.WeakKeyDictionary()
        self._labels: weakref.WeakKeyDictionary[Cell, str] = weakref.WeakKeyDictionary()
        self._refs: weakref.WeakValueDictionary[tuple[bytes, bytes], RemoteRef] = weakref.WeakValueDictionary()
        self._watched: dict[tuple[bytes, bytes], RemoteRef] = {}
        self.questions: dict[int, Question] = {}
        self._ops = itertools.count(1)
        self._unread: dict[bytes, int] = {}  # what was told to a node while it was behind
        self._relays: dict[Request, Relay] = {}
        self._turns: dict[str, int] = {}
        node.references = self
        self._unwatch = node.watch_links(self._link_down)
        self.groups = GroupsOfNodes(self)

    def begin(self) -> None:
        """Take what other nodes say to actors here, and first what they have said before there was a system."""
        before, self.node.on_call = self.node.on_call, self._called
        if isinstance(before, EarlyCalls):
            before.pass_on(self._called)

    def close(self) -> None:
        """The system has ended: another one may have the node. Until then this one says that its actors are dead."""
        if self.node.references is self:
            self.node.references = None
            for unwatch in (self._unwatch, self.groups.unwatch, self.survey.unwatch):
                unwatch()

    # -- references, as they cross links

    def export(self, reference: Any, to: Peer) -> bytes:
        """Describe a reference for another node."""
        if isinstance(reference, Timed):
            reference = reference.cell
        if isinstance(reference, RemoteRef):
            kind, label = reference.kind, reference.label
            return m.describe(reference.node, reference.id, name_of_class(kind.cls), label)
        if not isinstance(reference, Cell):
            raise CodecError(f"{reference!r} is no reference to an actor")
        return m.describe(
            self.node.id, self.id_of(reference), name_of_class(reference.kind.cls), self.label_of(reference)
        )

    def id_of(self, cell: Cell) -> bytes:
        """The id under which other nodes know an actor of this one."""
        known = self._ids.get(cell)
        if known is None:
            known = self._ids[cell] = bytes.fromhex(env.new_id())
            self.cells[known] = cell
            self.serving.on_end(cell, lambda: self.cells.pop(known, None))
        return known

    def label_of(self, cell: Cell) -> str:
        """The name under which other nodes know an actor of this one: the one that it had at the first telling."""
        return self._labels.setdefault(cell, cell.name)

    def accept(self, declared: Any, data: bytes, peer: Peer) -> ActorRef[Any]:
        """The reference that another node has described. CodecError."""
        node, id, name, label = m.described(data)
        if node == self.node.id:
            cell = self.cells.get(id)
            if cell is None:
                raise CodecError("a reference to an actor of this node that does not live any more")
            return cell
        known = self._refs.get((node, id))
        if known is not None and known.kind.cls is not Unknown:
            return known
        args = get_args(declared)
        cls = args[0] if args and is_actor(args[0]) else self.class_named(name)
        return self.reference(node, id, cls, label)

    def peer_of(self, link: Link, data: bytes) -> RemoteRef:
        """The actor of another node that it says is linked to one here, whatever its class. CodecError."""
        node, id, name, label = m.described(data)
        if node != link.node:
            raise CodecError(f"{link.name} speaks for an actor of another node")
        try:
            cls = self.class_named(name)
        except CodecError:
            cls = Unknown
        return self.reference(node, id, cls, label)

    def reference(self, node: bytes, id: bytes, cls: type[Actor], label: str) -> RemoteRef:
        """The one reference to an actor of another node."""
        ref = self._refs.get((node, id))
        if ref is None:
            ref = self._refs[node, id] = RemoteRef(self, node, id, kind_of(cls), label)
        elif ref.kind.cls is Unknown:
            ref.kind = kind_of(cls)
        return ref

    def adopt(self, ref: RemoteRef) -> None:
        """A reference has come as an argument of this process."""
        self._refs[ref.node, ref.id] = ref

    def class_named(self, name: str) -> type[Actor]:
        """The Actor class of a name, if this node serves it. CodecError."""
        try:
            found = resolve(name, self.served)
        except NotImportable as error:
            raise CodecError(str(error)) from None
        if not is_actor(found):
            raise CodecError(f"{name} is no Actor class")
        cls: type[Actor] = found
        return cls

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

    async def place(self, on: Member | str) -> bytes | None:
        """The node that `on` names, by itself, its name or a label; None for this one.

        Where there is none, and this process is just starting it again, that is waited for. NodeDown.
        """
        if not isinstance(on, str):
            return None if on.node == self.node.id else on.node
        await self.node.expected.wait(on, lambda: self.named(on))
        named = self.named(on)
        if not named:
            known = ", ".join(each.name for each in self.nodes()) or "none"
            raise NodeDown(f"no node has the name or the label {on!r}; there are: {known}", node=on)
        self._turns[on] = turn = self._turns.get(on, -1) + 1
        chosen = named[turn % len(named)].node
        return None if chosen == self.node.id else chosen

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
        return self.ask(ref.node, call_signature(message), f"{ref.name}: {message.name}")

    def ask(self, node: bytes, signature: Signature, target: str) -> Question:
        """A question to a node."""
        op = next(self._ops)
        question = self.questions[op] = Question(self.node.queue, op, node, signature, target)
        return question

    def relay(self, ref: RemoteRef, message: Message, request: Request) -> Relay:
        """A question whose answer is that of a request here."""
        op, target = next(self._ops), f"{ref.name}: {message.name}"
        over = functools.partial(self._relays.pop, request, None)
        relay = Relay(self.node.queue, op, ref.node, call_signature(message), target, request, over)
        self.questions[op] = self._relays[request] = relay
        return relay

    def withdrawn(self, request: Request) -> None:
        """Whoever made a request that is relayed does not wait any more."""
        relay = self._relays.pop(request, None)
        if relay is not None:
            self.forget(relay)

    def forget(self, question: Question) -> None:
        """Nobody waits for the answer any more."""
        if self.questions.pop(question.op, None) is not None and question.state != SETTLED:
            self.cancel(question)

    def cancel(self, question: Question, *, kill: bool = False, why: Reason | None = None) -> None:
        """Tell the other node that it is over, or is to be: the ask, the start, or what was started."""
        link = self.node.links.get(question.node)
        if link is not None:
            self.say(link, m.Cancel(question.op, kill, None if why is None else told(why)))

    def say(self, link: Link, envelope: m.Envelope, body: bytes = b"", buffers: list[Any] | None = None) -> None:
        """Tell a node something, unless it is down.

        What is told so is never dropped. A node that does not read it is cut off: its incarnation stays down (AC-55).
        """
        if link.is_down:
            return
        link.call(m.LANE, m.pack(envelope, body), buffers or [])
        if not link.is_behind:
            if self._unread:
                self._unread.pop(link.node, None)
            return
        unread = self._unread[link.node] = self._unread.get(link.node, 0) + 1
        if unread == UNREAD:
            logger.warning("the link to %s ends: it does not read what is told of actors", link.name)
            self.system.dispatcher.loop.call_soon(link.close, f"it does not read: {unread} messages wait for it")

    def watch(self, ref: RemoteRef) -> None:
        """Have the other node say when the actor has ended."""
        self._watched[ref.node, ref.id] = ref
        try:
            self.say(self.link_of(ref), m.Watch(ref.id))
        except NodeDown:
            self.system.dispatcher.loop.call_soon(ref.has_ended, NOCONNECTION)

    def unwatch(self, ref: RemoteRef) -> None:
        """Nobody here wants to know any more."""
        link = self.node.links.get(ref.node)
        if self._watched.pop((ref.node, ref.id), None) is not None and link is not None:
            self.say(link, m.Unwatch(ref.id))

    def dead_letter(self, ref: RemoteRef, message: str, why: str) -> None:
        """A message to an actor on another node did not go."""
        self.system.dispatcher.counters.dead_letters[why] += 1
        logger.warning("%s: %s became a dead letter: %s", ref.name, message, why)

    # -- what other nodes say

    def _called(self, link: Link, lane: int, body: Any, buffers: list[Any]) -> None:
        envelope, rest = m.unpack(body)
        match envelope:
            case m.Started():
                self.starting.started(link, envelope)
            case m.Returned():
                self._returned(link, envelope, rest, buffers)
            case m.Ended():
                self.starting.ended(envelope)
            case m.Kept():
                self.starting.kept(link, envelope, rest, buffers)
            case m.Failed():
                self._failed(envelope)
            case m.Room():
                ref = self._refs.get((link.node, envelope.actor))
                if ref is not None:
                    ref.room(envelope.messages)
            case m.Figures():
                self.survey.told(link, envelope)
            case m.WhoIsIn() | m.Everyone() | m.Joins() | m.Leaves():
                self.groups.heard(link, envelope)
            case m.Down():
                key = (link.node, envelope.actor)
                ref = self._watched.pop(key, None) or self._refs.get(key)
                if ref is not None:
                    ref.has_ended(reason_of(envelope.why))
            case _:
                self.serving.called(link, envelope, rest, buffers)

    def _returned(self, link: Link, returned: m.Returned, body: Any, buffers: list[Any]) -> None:
        question = self.questions.pop(returned.op, None)
        if question is None:
            return
        try:
            value = question.signature.result.decode(body, buffers, link.port)[0]
        except (CodecError, IndexError) as error:
            self.give(question, RemoteError("CodecError", f"{question.target} answered something else: {error}"))
            return
        if question.process is not None:
            question.process.returned(value)
        else:
            question.settle(value)

    def _failed(self, failed: m.Failed) -> None:
        question = self.questions.pop(failed.op, None)
        if question is None:
            return
        if failed.how == "cancelled" and question.process is not None:
            question.process.ended_cancelled()
            return
        self.give(question, error_of(question.target, failed, self.served))

    def give(self, question: Question, error: BaseException) -> None:
        """The question comes to nothing: tell who waits."""
        if question.process is not None and (not question.settle(None, error) or question.process.keep is not None):
            question.process.failed(error)
        else:
            question.settle(None, error)

    def _link_down(self, link: Link, error: NodeDown) -> None:
        self.groups.link_down(link)
        for question in [each for each in self.questions.values() if each.node == link.node]:
            self.questions.pop(question.op, None)
            self.give(question, NodeDown(f"{question.target}: {error}", node=link.name))
        for key in [key for key in self._watched if key[0] == link.node]:
            self._watched.pop(key).has_ended(NOCONNECTION)
        for (node, _), ref in list(self._refs.items()):
            if node == link.node:
                ref.has_ended(NOCONNECTION)
        self._unread.pop(link.node, None)
        self.serving.link_down(link)
