"""One match at the home of a rendezvous where a select is to be asked: claim, then commit both or release (NET-14).

Selects are claimed in ascending order of their numbers, which are unlike on all nodes: so claims that wait for each
other never wait in a circle. A plain operation is not claimed; it can only give up. The sender that comes last is not
asked first, but told to hand over its item at once (`Permitted`), if it still can.

    both selects:      Offer, Seek | Claim, Granted | [Claim, Granted] | Permitted, Redeem + item | Take + item, Taken
    a plain sender:    Offer + item, Seek | Claim, Granted | Take + item, Taken

Invariants
- A party of a match stands in no queue of the channel, but a select of this node, which is held instead.
- The receiver is held until it has the item, and is then chosen; only its cancellation can come between, and leaves the
  item to the next receiver (CH-10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from actorpar.channels.flavors.base import NOTHING
from actorpar.channels.waiters import DONE, GRANTED, GuardWaiter

from .selects import selector_of

if TYPE_CHECKING:
    from .meeting_home import MeetingHome
    from .meeting_stubs import Offered, Seeker

#: A select here or on another node.
Party: TypeAlias = "GuardWaiter | Offered | Seeker"


class Match:
    """`sender` is None for a plain one: whichever is first when the receiver is held."""

    def __init__(self, home: MeetingHome, sender: GuardWaiter | Offered | None, receiver: GuardWaiter | Seeker) -> None:
        self.home = home
        self.sender = sender
        self.receiver: GuardWaiter | Seeker | None = receiver  # None: it is gone, and its item goes to another
        self.held: list[Party] = []
        self.is_over = False
        self.is_permitted = False
        self._todo: list[Party] = [receiver]
        if isinstance(sender, GuardWaiter) or (sender is not None and sender.selector < selector_of(receiver)):
            self._todo.append(sender)
        self._todo.sort(key=selector_of)
        home.matches[self] = None

    def step(self) -> None:
        """Claim who is not held yet; then commit."""
        while self._todo and not self.is_over:
            party = self._todo[0]
            held = party.choice.lock(self) if isinstance(party, GuardWaiter) else party.ask()
            if held is None:
                return  # `granted` or `gone` follows
            if not held:
                self.lost(party)
                return
            self.held.append(self._todo.pop(0))
        if not self.is_over:
            self._commit()

    def granted(self) -> None:
        """The claim that was waited for is granted."""
        self.held.append(self._todo.pop(0))
        self.step()

    def gone(self) -> None:
        """The select that was waited for has chosen something else."""
        self.lost(self._todo[0])

    def _commit(self) -> None:
        core, sender = self.home.core, self.sender
        if core.failure is not None:
            self.end()
        elif sender is None:
            item = core.take_plain()
            if item is NOTHING:
                self.end()  # somebody here was faster
            else:
                self._deliver(item)
        elif isinstance(sender, GuardWaiter):
            self.held.remove(sender)
            if sender.settle(DONE):
                core.take_out(sender)
                self._deliver(core.through_codec(sender.item))
            else:
                self.lost(sender)
        else:
            self.is_permitted = True
            sender.permit()

    def redeemed(self, items: list[Any]) -> None:
        """The sender has handed over its item; none, if it could not be encoded."""
        assert self.sender is not None
        if self.sender in self.held:
            self.held.remove(self.sender)
        if self.home.core.failure is not None:
            self.home.core.undelivered(items)
            self.end()
        elif items:
            self._deliver(items[0])
        else:
            self.lost(self.sender)

    def _deliver(self, item: Any) -> None:
        receiver, core = self.receiver, self.home.core
        self._over()
        if receiver is None:
            core.put(item)
        elif not isinstance(receiver, GuardWaiter):
            receiver.take(item)
        elif receiver.end is not None and receiver.end.core is core and receiver.settle(GRANTED):
            core.take_out(receiver)
            core.buffer.insert(core.held, item)
            core.held += 1
        else:
            self._let_go(receiver)
            core.put(item)
        self.home.serve()

    def lost(self, party: Party) -> None:
        """That party is gone: the others are free again, but a sender that may have handed over its item."""
        if party in self.held:
            self.held.remove(party)
        if self.is_permitted and party is self.receiver:
            self.receiver = None
        else:
            self._free(party)

    def end(self) -> None:
        """Nothing comes of it."""
        self._free(None)

    def _free(self, gone: Party | None) -> None:
        if self.is_over:
            return
        asked = self.held + self._todo[:1]
        self._over()
        for party in (self.receiver, self.sender):
            if party is None or party is gone:
                continue
            if isinstance(party, GuardWaiter):
                self._let_go(party)
            elif party in asked:
                party.release()
            else:
                party.stand_again()
        self.home.serve()

    def _let_go(self, guard: GuardWaiter) -> None:
        if self in guard.choice.claims:
            guard.choice.release(self)

    def _over(self) -> None:
        self.is_over = True
        self.home.matches.pop(self, None)
