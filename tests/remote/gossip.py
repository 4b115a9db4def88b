"""A world in which nodes tell each other of groups: they start, link, lose each other and come anew, in any order."""

from __future__ import annotations

import pickle
from collections import Counter, deque
from typing import NamedTuple

from actorpar.remote import messages as m
from actorpar.remote.membership import Change, Memberships, Outcome, Say

#: What a node sees of another one: how often an actor is in a group.
View = dict[tuple[str, bytes], int]


class Action(NamedTuple):
    """Something that may happen: to a node, to a node and what it says of a peer, or to an actor in a group."""

    what: str
    node: bytes
    other: bytes = b""
    group: str = ""


class Node:
    """One incarnation of a node. Its system may start after its links."""

    def __init__(self, id: bytes) -> None:
        self.id = id
        self.memberships: Memberships | None = None
        self.attached: set[bytes] = set()
        self.lost: set[bytes] = set()
        self.inbox: dict[bytes, deque[m.OfGroups]] = {}
        self.past: list[View] = [{}]  # all that its own memberships ever were
        self.views: dict[bytes, View] = {}
        self.seen: dict[bytes, int] = {}  # which of the past of a peer it saw last


class World:
    """Nodes, and what is on its way between them."""

    def __init__(self, *ids: bytes) -> None:
        self.nodes = {id: Node(id) for id in ids}
        self.made = len(ids)

    def key(self) -> bytes:
        """Equal worlds go on alike."""
        return pickle.dumps(self.nodes)

    def may_happen(self) -> list[Action]:
        """What may happen in the network; joins, leaves, deaths and broken links are the test's."""
        actions = []
        for node in self.nodes.values():
            if node.memberships is None:
                actions.append(Action("start", node.id))
            for other in self.nodes.values():
                fresh = other.id not in node.attached | node.lost
                if other is not node and fresh and node.id not in other.lost:
                    actions.append(Action("attach", node.id, other.id))
            for peer in node.attached:
                if node.inbox.get(peer):
                    actions.append(Action("deliver", node.id, peer))
                if peer not in self.nodes or node.id in self.nodes[peer].lost:
                    actions.append(Action("lose", node.id, peer))
        return actions

    def happen(self, action: Action) -> None:
        """Let it happen, and see that nobody is told what was not so."""
        node = self.nodes[action.node]
        getattr(self, action.what)(node, action)
        for peer, view in node.views.items():
            self._check(node, peer, view)

    def settle(self) -> None:
        """Until nothing is on its way: then everybody knows everything of those that it is linked to, and no more."""
        while actions := self.may_happen():
            self.happen(actions[0])
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node and other.id not in node.lost and node.id not in other.lost:
                    assert node.views.get(other.id, {}) == other.past[-1]
            for peer in [peer for peer in node.views if peer not in self.nodes or peer in node.lost]:
                assert node.views[peer] == {}

    # -- what happens

    def start(self, node: Node, action: Action) -> None:
        node.memberships = Memberships()
        for peer in sorted(node.attached):
            self._do(node, node.memberships.up(peer))

    def attach(self, node: Node, action: Action) -> None:
        node.attached.add(action.other)
        if node.memberships is not None:
            self._do(node, node.memberships.up(action.other))

    def deliver(self, node: Node, action: Action) -> None:
        message = node.inbox[action.other].popleft()
        if node.memberships is not None:
            self._do(node, node.memberships.heard(action.other, message))

    def lose(self, node: Node, action: Action) -> None:
        node.attached.discard(action.other)
        node.lost.add(action.other)
        node.inbox.pop(action.other, None)
        if node.memberships is not None:
            self._do(node, node.memberships.down(action.other))

    def join(self, node: Node, action: Action) -> None:
        assert node.memberships is not None
        self._remember(node, action, 1)
        self._do(node, node.memberships.joined(action.group, action.other, "m:C", "c"))

    def leave(self, node: Node, action: Action) -> None:
        assert node.memberships is not None
        self._remember(node, action, -1)
        self._do(node, node.memberships.left(action.group, action.other, 1))

    def die(self, node: Node, action: Action) -> None:
        """It is killed, and another incarnation of it comes."""
        del self.nodes[node.id]
        self.made += 1
        id = bytes([self.made]) * 16
        self.nodes[id] = Node(id)

    # -- what is seen

    def _remember(self, node: Node, action: Action, more: int) -> None:
        view = dict(node.past[-1])
        key = (action.group, action.other)
        view[key] = view.get(key, 0) + more
        node.past.append({key: times for key, times in view.items() if times})

    def _do(self, node: Node, outcomes: list[Outcome]) -> None:
        for each in outcomes:
            if isinstance(each, Say):
                other = self.nodes.get(each.peer)
                if other is not None and node.id not in other.lost:
                    other.inbox.setdefault(node.id, deque()).append(each.message)
            elif isinstance(each, Change):
                view = Counter(node.views.get(each.peer, {}))
                for one in each.memberships:
                    view[one.group, one.actor] += one.times if each.joined else -one.times
                assert all(times >= 0 for times in view.values()), "one left who was not there"
                node.views[each.peer] = {key: times for key, times in view.items() if times}

    def _check(self, node: Node, peer: bytes, view: View) -> None:
        """It sees what the peer was at some time, and later never what was before that; of a lost one nothing."""
        if peer in node.lost:
            assert view == {}
        elif peer in self.nodes:
            past = self.nodes[peer].past
            assert view in past[node.seen.get(peer, 0) :]
            node.seen[peer] = past.index(view, node.seen.get(peer, 0))
