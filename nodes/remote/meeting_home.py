"""The home of a rendezvous some of whose ends are away: who waits for whom, and who is asked (NET-9, NET-14).

Whoever waits here, or waits elsewhere in a plain operation, is matched as on any rendezvous. A select on another node
that offers stands among the senders, and one that seeks stands apart in `seekers`: for these a match is made, which
asks before it commits. Several matches may be under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorpar.channels.flavors.base import NOTHING
from actorpar.channels.flavors.rendezvous import PERMIT, Rendezvous
from actorpar.channels.waiters import DONE, GRANTED, GuardWaiter, Waiter

from .home import Home, _AtHome
from .match import Match
from .meeting_stubs import MeetingStub, Offered, Seeker, SeekerStub
from .selects import selector_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outlet import Outlet


class MeetingHome(Home):
    """What the home knows of a rendezvous."""

    core: HomeRendezvous

    sender_stub = MeetingStub
    receiver_stub = SeekerStub

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        #: Selects on other nodes that seek an item and that nobody asks, in the order in which they came.
        self.seekers: list[Seeker] = []
        self.matches: dict[Match, None] = {}
        self._seekers_turn = False
        self._serving = False

    def is_seekers_turn(self) -> bool:
        """An item is offered: those who seek elsewhere and those who wait here take turns."""
        if not self.seekers:
            return False
        self._seekers_turn = not self._seekers_turn
        return self._seekers_turn

    def serve(self) -> None:
        """Match those who wait and of whom one has to be asked, and then those of whom none has."""
        if self._serving or self.outlet is not None or self.core.failure is not None:
            return
        self._serving = True
        try:
            while match := self._next_match():
                match.step()
            self._permit()
            self._meet_here()
        finally:
            self._serving = False

    def _next_match(self) -> Match | None:
        if not self.seekers:
            return self._offer_to_a_select()
        for sender in self._unbound():
            for seeker in self.seekers:
                if sender is not None and selector_of(sender) == seeker.selector:
                    continue
                self.seekers.remove(seeker)
                if isinstance(sender, Offered):
                    self.core.take_out(sender)
                return self._match(sender, seeker)
        return self._offer_to_a_select()

    def _unbound(self) -> list[Waiter | None]:
        """What waits to be sent and nobody is asked to take: None is an item that is here, or a plain sender."""
        core = self.core
        bound = sum(match.sender is None for match in self.matches)
        plain: list[Waiter | None] = [None] * (len(core.buffer) - core.held)
        for sender in core.senders:
            if not sender.is_live() or (sender.item is PERMIT and not selector_of(sender)):
                continue
            selects = isinstance(sender, GuardWaiter) or selector_of(sender)
            plain.append(sender if selects else None)
        for _ in range(bound):
            if None in plain:
                plain.remove(None)
        return plain

    def _offer_to_a_select(self) -> Match | None:
        """A select elsewhere offers, and one here waits to receive."""
        core = self.core
        for sender in core.senders:
            if isinstance(sender, Offered) and sender.selector and sender.is_live():
                receiver = core.receiver_for(sender.selector)
                if isinstance(receiver, GuardWaiter):
                    core.take_out(sender)
                    return self._match(sender, receiver)
        return None

    def _match(self, sender: Any, receiver: GuardWaiter | Seeker) -> Match:
        match = Match(self, sender, receiver)
        for party in (sender, receiver):
            if isinstance(party, Offered | Seeker):
                party.match = match
        return match

    def _permit(self) -> None:
        """Set receivers aside for those who want a permit; a select never meets itself (CH-36)."""
        core = self.core
        for sender in list(core.senders):
            if sender.item is PERMIT and sender.is_live():
                receiver = core.claim_for(selector_of(sender))
                if receiver is not None:
                    core.senders.remove(sender)
                    sender.item = receiver
                    sender.claim(GRANTED)

    def _meet_here(self) -> None:
        """Whoever waited for an answer from elsewhere, and for nothing else, meets who waits here."""
        core = self.core
        while len(core.buffer) > core.held and (receiver := core.receiver_for(0)) is not None:
            core.take_out(receiver)
            receiver.claim(GRANTED)
            core.held += 1
        bound = sum(match.sender is None for match in self.matches)
        for sender in list(core.senders):
            if sender.item is PERMIT or not sender.is_live():
                continue
            if not isinstance(sender, GuardWaiter) and bound:
                bound -= 1
                continue
            receiver = core.receiver_for(selector_of(sender))
            if receiver is not None:
                for waiter, outcome in ((sender, DONE), (receiver, GRANTED)):
                    core.take_out(waiter)
                    waiter.claim(outcome)
                core.put(core.through_codec(sender.item))
                core.held += 1

    # -- endings

    def end_matches(self) -> None:
        """Nothing will come of what is under way, but what a sender has been told to hand over."""
        for match in [match for match in self.matches if not match.is_permitted]:
            match.end()

    def ended(self) -> None:
        self.end_matches()
        super().ended()

    def move_to(self, outlet: Outlet, new_nonce: Callable[[], bytes]) -> None:
        self.outlet = outlet
        for match in list(self.matches):
            match.end()
        super().move_to(outlet, new_nonce)


class HomeRendezvous(_AtHome, Rendezvous):
    """A rendezvous, some of whose ends are away."""

    __slots__ = ()

    remote: MeetingHome

    def try_send(self, item: Any) -> bool:
        if self.failure is None and self.remote.is_seekers_turn():
            self.sender_queue()
            return False
        return super().try_send(item)

    def sender_parked(self, waiter: Waiter) -> None:
        super().sender_parked(waiter)
        self.remote.serve()

    def serve_permit(self) -> None:
        self.remote.serve()

    def claim_for(self, selector: int) -> Waiter | None:
        """Set aside the first receiver that waits, for a permit, or for a select elsewhere unless it is one itself."""
        receiver = self.receiver_for(selector)
        if receiver is None:
            return None if selector else self._claim_seeker()
        return None if selector and isinstance(receiver, GuardWaiter) else self.set_aside(receiver)

    def claim_receiver(self) -> Waiter | None:
        return self.claim_for(0)

    def _claim_seeker(self) -> Waiter | None:
        if not self.remote.seekers:
            return None
        seeker = self.remote.seekers.pop(0)
        self.claimed.append(seeker)
        return seeker

    def release_item(self) -> None:
        super().release_item()
        self.remote.serve()

    def receiver_for(self, selector: int) -> Waiter | None:
        """The first receiver that waits here, or elsewhere in a plain operation, and is not of this select."""
        for receiver in self.receivers:
            if receiver.is_live() and not (selector and selector_of(receiver) == selector):
                return receiver
        return None

    def set_aside(self, receiver: Waiter) -> Waiter:
        """Nobody else may choose this receiver, for a permit."""
        self.receivers.remove(receiver)
        self.claims += 1
        receiver.item = self.claims
        self.claimed.append(receiver)
        return receiver

    def take_plain(self) -> Any:
        """The item that is next: one that lies here, or that of the first plain sender; NOTHING if there is none."""
        if len(self.buffer) > self.held:
            item = self.buffer[self.held]
            del self.buffer[self.held]
            return item
        for sender in list(self.senders):
            if sender.item is not PERMIT and not isinstance(sender, GuardWaiter) and sender.is_live():
                self.senders.remove(sender)
                sender.claim(DONE)
                return self.through_codec(sender.item)
        return NOTHING

    def through_codec(self, item: Any) -> Any:
        """What is received of an item that was sent here (CH-14)."""
        return item if self.codec is None else self.codec(item)

    def take_out(self, waiter: Waiter) -> None:
        """Take a waiter out of the queue where it stands, if it stands in one."""
        for queue in (self.senders, self.receivers):
            if waiter in queue:
                queue.remove(waiter)

    # -- permits, which may have set a seeker aside

    def redeem(self, token: Any, item: Any) -> None:
        if isinstance(token, Seeker) and self.failure is None:
            self.forfeit(token)
            self.put(item)
            self.remote.serve()
        else:
            super().redeem(token, item)
            self.remote.serve()

    def forfeit(self, token: Any) -> None:
        if not isinstance(token, Seeker):
            super().forfeit(token)
        elif token in self.claimed:
            self.claimed.remove(token)
            token.stand_again()
            self.remote.serve()

    def wake_claimed(self) -> None:
        self.claimed = [receiver for receiver in self.claimed if not isinstance(receiver, Seeker)]
        super().wake_claimed()
