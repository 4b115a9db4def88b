"""A channel without a buffer: a send returns only when a receiver has its item, or is bound to take it (CH-4).

Invariants
- The buffer holds only items reserved for woken receivers, and the surplus: an item whose receiver was cancelled before
  it ran. The surplus goes to the next receiver, before any waiting sender (CH-12).
- A waiting sender's item is taken from it, behind what is reserved. It leaves the queue DONE: cancelled after that, it
  was delivered.
- A permit (CH-55) sets one waiting receiver aside in `claimed`: nobody else may choose it, and only its own
  cancellation or the end of the channel can take it away, in which case the permit's item becomes the surplus.
- No receiver and sender wait at the same time, unless one select offers both (CH-13, CH-36).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..waiters import DONE, ENDED, GRANTED, IDLE, QUEUED, Waiter, WaitQueue, first, wake
from .base import NOTHING, Flavor

if TYPE_CHECKING:
    from ..end import End

#: The item of a sender that waits for a permit instead of sending.
PERMIT = object()


class Rendezvous(Flavor):
    """Capacity 0: sender and receiver meet."""

    __slots__ = ("claimed", "claims")

    def __init__(self, **options: Any) -> None:
        super().__init__(0, **options)
        self.claimed: list[Waiter] = []
        self.claims = 0

    def open(self) -> None:
        super().open()
        self.watched |= self.codec is not None
        self.plain = self.failure is None

    def room(self) -> int:
        return 0

    def try_send(self, item: Any) -> bool:
        if self.receivers and wake(self.receivers, GRANTED):
            self.held += 1
            buffer = self.buffer
            buffer.append(item)
            if len(buffer) > self.peak:
                self.peak = len(buffer)
            return True
        if self.failure is not None:
            raise self.refusal(item)
        self.sender_queue()
        return False

    def try_receive(self) -> Any:
        if len(self.buffer) > self.held:
            return self.buffer.popleft()
        if self.senders:
            sender = self.first_with_item() if self.watched else wake(self.senders, DONE)
            if sender is not None:
                if not self.buffer:
                    return sender.item
                # What is reserved was sent before, and a reservation promises an item, not a particular one: this
                # receiver takes the oldest, and those that were woken the younger ones (CH-5).
                self.buffer.append(sender.item)
                return self.buffer.popleft()
        if self.failure is not None and not self.buffer:
            raise self.refusal()
        self.receiver_queue()
        return NOTHING

    def slot_freed(self) -> None:
        """Nothing: there are no slots, and senders wait for receivers only."""

    def receiver_parked(self, waiter: Waiter) -> None:
        super().receiver_parked(waiter)
        waiter.item = None
        if self.senders:
            self.serve_permit()

    def finish_send(self, waiter: Waiter) -> None:
        state, item, end = self.settle(waiter)
        if state != DONE:
            raise end.core.refusal(item)

    def finish_reserve(self, waiter: Waiter) -> Any:
        state, token, end = self.settle(waiter)
        if end.core is not self or self.failure is not None:
            if state == GRANTED:
                self.forfeit(token)
            raise end.core.refusal()
        return token

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state in QUEUED:
            self.discard(self.senders, waiter)
        else:
            if waiter.state == GRANTED:
                self.forfeit(waiter.item)
            waiter.state = IDLE
        waiter.end = waiter.item = None

    def leave_receive(self, waiter: Waiter) -> None:
        if waiter in self.claimed:
            self.claimed.remove(waiter)
            waiter.state, waiter.end = IDLE, None
        else:
            super().leave_receive(waiter)
        waiter.item = None

    def put(self, item: Any) -> None:
        """Hand an item to the receivers: to the one that was just woken for it, or as the surplus."""
        self.buffer.append(item)
        if len(self.buffer) > self.peak:
            self.peak = len(self.buffer)

    def first_with_item(self) -> Waiter | None:
        """Take the item of the first waiting sender; None if that one waits for a permit."""
        sender = first(self.senders)
        if sender is None or sender.item is PERMIT:
            return None
        self.senders.popleft()
        sender.claim(DONE)
        if self.codec is not None:
            sender.item = self.codec(sender.item)
        return sender

    # -- permits

    def try_reserve(self) -> Any:
        if self.failure is not None:
            raise self.refusal()
        self.watched = True  # from now on a receiver that is queued may have to be given to a permit
        return self.claim_receiver()

    def claim_receiver(self) -> Waiter | None:
        """Set the first waiting receiver aside for a permit."""
        receiver = first(self.receivers)
        if receiver is not None:
            self.claims += 1
            receiver.item = self.claims  # its place in the order, should it have to wait again (CH-6)
            self.claimed.append(self.receivers.popleft())
        return receiver

    def serve_permit(self) -> None:
        """A receiver waits now: the first sender, if it waits for a permit, gets it."""
        sender = first(self.senders)
        if sender is not None and sender.item is PERMIT:
            self.senders.popleft()
            sender.item = self.claim_receiver()
            sender.claim(GRANTED)

    def redeem(self, token: Any, item: Any) -> None:
        if self.failure is not None:
            raise self.refusal(item)
        if self.unclaim(token):
            token.claim(GRANTED)
            self.held += 1
        elif self.receivers and wake(self.receivers, GRANTED):
            self.held += 1
        self.put(item)

    def forfeit(self, token: Any) -> None:
        place = token.item
        if not self.unclaim(token):
            return
        sender = None
        if len(self.buffer) > self.held or (self.senders and (sender := self.first_with_item()) is not None):
            token.claim(GRANTED)
            self.held += 1
            if sender is not None:
                self.put(sender.item)
            return
        token.item = place
        earlier = (waiter.item is not None and waiter.item < place for waiter in self.receivers)
        self.receivers.insert(sum(itertools.takewhile(bool, earlier)), token)
        self.serve_permit()

    def unclaim(self, receiver: Waiter) -> bool:
        """End the claim on a receiver. False: the receiver has given up meanwhile."""
        if receiver not in self.claimed:
            return False
        self.claimed.remove(receiver)
        receiver.item = None
        if receiver.is_live():
            return True
        receiver.state = IDLE
        return False

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        super().abort(exc, after_drain)
        self.wake_claimed()

    def drop_sender(self, failure: BaseException | None) -> None:
        super().drop_sender(failure)
        if self.failure is not None:
            self.wake_claimed()

    def drop_receiver(self, failure: BaseException | None) -> None:
        super().drop_receiver(failure)
        if self.failure is not None:
            self.wake_claimed()

    def fail_waiters_of(self, end: End, queue: WaitQueue) -> None:
        super().fail_waiters_of(end, queue)
        for receiver in [receiver for receiver in self.claimed if receiver.end is end]:
            self.claimed.remove(receiver)
            self.release(receiver, ENDED)

    def wake_claimed(self) -> None:
        """The channel has ended and the permits are void: their receivers share the surplus, and the rest learn it."""
        claimed, self.claimed = self.claimed, []
        for receiver in claimed:
            receiver.item = None
            if len(self.buffer) > self.held:
                if self.release(receiver, GRANTED):
                    self.held += 1
            else:
                self.release(receiver, ENDED)

    @staticmethod
    def release(receiver: Waiter, outcome: int) -> bool:
        """Wake a receiver that was claimed. False: it was cancelled meanwhile, and stands in no queue."""
        if receiver.claim(outcome):
            return True
        receiver.state = IDLE
        return False
