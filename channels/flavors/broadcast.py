"""One sending side, many subscribers, each with a buffer of its own that gets every item.

Invariants
- The hub has no buffer: its `limit` stays at 0 or CLOSED, so every send comes to `try_send`.
- A send commits to all subscribers or to none. With the policy "wait" the slowest of them sets the pace.
- `granted` <= capacity slots are reserved, in every subscriber, for senders that were woken and permits that are out; a
  new subscriber starts with as many, so that their items reach it too.
- What subscribers lose is collected in `lost` and reported once the whole operation is done (CH-16). Without a
  subscriber an item goes nowhere and is lost, too.
"""

from __future__ import annotations

from typing import Any

from ..errors import ChannelBroken, ChannelFull
from ..waiters import ENDED, GRANTED, IDLE, QUEUED, Waiter, count_live, wake, wake_all
from .base import NO_WAITERS, Flavor
from .bounded import Bounded
from .lossy import Lossy, Policy


class Hub(Flavor):
    """What the senders of a broadcast share. The policy None makes them wait for the slowest subscriber."""

    __slots__ = ("granted", "lost", "policy", "subscriptions")

    def __init__(self, capacity: float, policy: Policy | None, **options: Any) -> None:
        super().__init__(capacity, **options)
        self.policy = policy
        self.granted = 0
        self.lost: list[Any] = []
        self.subscriptions: list[Subscription | LossySubscription] = []

    def room(self) -> int:
        return 0

    def subscribe(self) -> Flavor:
        """A new buffer that gets every item sent from now on."""
        self.check_loop()
        new = Subscription(self) if self.policy is None else LossySubscription(self, self.policy)
        if self.queue.loop is not None:
            new.bind(self.queue)
        else:
            new.open()
        new.limit -= self.granted
        if self.failure is None:
            self.subscriptions.append(new)
        else:
            new.cause = self.cause
            new.end(self.failure)
        return new

    def unsubscribe(self, subscription: Subscription | LossySubscription) -> None:
        """A subscriber leaves: it may have been the one that held the senders up."""
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
            self.slot_freed()
            self.end_if_deserted()

    def has_room(self) -> bool:
        """True if every subscriber has a free slot."""
        return self.granted < self.capacity and all(len(each.buffer) < each.limit for each in self.subscriptions)

    def try_send(self, item: Any) -> bool:
        if self.failure is not None:
            raise self.refusal(item)
        if self.policy is None and (count_live(self.senders) or not self.has_room()):
            self.sender_queue()
            return False
        if self.policy == "reject" and not self.has_room():
            raise ChannelFull(f'{self.name}: a subscriber is full, and the overflow policy is "reject"', item=item)
        self.deliver(item)
        return True

    def deliver(self, item: Any) -> None:
        """Put the item into every subscriber's buffer."""
        if not self.subscriptions:
            self.lost.append(item)
        for subscription in self.subscriptions:
            subscription.try_send(item)
        self.report()

    def report(self) -> None:
        """The operation is done: tell what was lost by it."""
        lost, self.lost = self.lost, []
        self.undelivered(lost)

    def slot_freed(self) -> None:
        while self.senders and self.has_room() and wake(self.senders, GRANTED):
            self.reserve_everywhere(1)

    def reserve_everywhere(self, count: int) -> None:
        """Reserve a slot in every subscriber (1), or give it back (-1)."""
        self.granted += count
        for subscription in self.subscriptions:
            subscription.limit -= count

    def finish_send(self, waiter: Waiter) -> None:
        state, item, end = self.settle(waiter)
        if self.was_granted(state, end):
            self.reserve_everywhere(-1)
            self.deliver(item)
        else:
            raise end.core.refusal(item)

    def finish_reserve(self, waiter: Waiter) -> Any:
        state, _, end = self.settle(waiter)
        if self.was_granted(state, end):
            return True
        raise end.core.refusal()

    def was_granted(self, state: int, end: Any) -> bool:
        """True if a sender that runs again may send; what was reserved for one that may not is free again."""
        if state != GRANTED or self.failure is not None:
            return False
        if end.core is self:
            return True
        self.forfeit(True)
        return False

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state in QUEUED:
            self.discard(self.senders, waiter)
        else:
            if waiter.state == GRANTED:
                self.forfeit(True)
            waiter.state = IDLE
        waiter.end = waiter.item = None

    def try_reserve(self) -> Any:
        """A broadcast that drops needs no reservation: its send neither waits nor fails."""
        if self.failure is not None:
            raise self.refusal()
        if self.reserves():
            if count_live(self.senders) or not self.has_room():
                if self.policy == "reject":
                    raise ChannelFull(f'{self.name}: a subscriber is full, and the overflow policy is "reject"')
                return None
            self.reserve_everywhere(1)
        return True

    def reserves(self) -> bool:
        """True if a permit of the open broadcast is a slot in every subscriber."""
        return self.failure is None and self.policy in (None, "reject")

    def redeem(self, token: Any, item: Any) -> None:
        if self.reserves():
            self.reserve_everywhere(-1)
            self.deliver(item)
        else:
            self.try_send(item)

    def forfeit(self, token: Any) -> None:
        if self.reserves():
            self.reserve_everywhere(-1)
            self.slot_freed()

    def drop_sender(self, failure: BaseException | None) -> None:
        super().drop_sender(failure)
        if self.failure is not None:
            for subscription in self.subscriptions:
                subscription.drop_sender(self.cause)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        super().abort(exc, after_drain)
        for subscription in self.subscriptions:
            subscription.abort_alone(exc, after_drain)
        self.report()

    def close_hub(self) -> None:
        """Nobody will subscribe any more: without a subscriber the channel is broken (CH-22)."""
        self.receiver_count = 0
        self.end_if_deserted()

    def end_if_deserted(self) -> None:
        """The last receiver is gone and no other can come."""
        if not self.receiver_count and not self.subscriptions and self.failure is None:
            self.end(ChannelBroken)
            wake_all(self.senders, ENDED)

    def expects_close(self) -> bool:
        return self.failure is None and bool(self.subscriptions)


class Subscription(Bounded):
    """One subscriber's buffer; its senders are those of the hub."""

    __slots__ = ("hub",)

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub.capacity, name=hub.name, timed=hub.timed)
        self.hub = hub
        self.senders = hub.sender_queue()

    def slot_freed(self) -> None:
        self.hub.slot_freed()

    def undelivered(self, items: Any) -> None:
        self.dropped += len(items)
        self.hub.lost += items

    def drop_receiver(self, failure: BaseException | None) -> None:
        if self.receiver_count == 1:
            self.senders = NO_WAITERS  # the senders of the hub wait for the others
            self.hub.unsubscribe(self)
        super().drop_receiver(failure)
        self.hub.report()

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        self.hub.abort(exc, after_drain)

    def abort_alone(self, exc: BaseException, after_drain: bool) -> None:
        """End this buffer only; the hub ends the others."""
        super().abort(exc, after_drain)


class LossySubscription(Lossy):
    """One subscriber's buffer that drops, by its policy, what the subscriber is too slow to take."""

    __slots__ = ("hub",)

    def __init__(self, hub: Hub, policy: Policy) -> None:
        super().__init__(hub.capacity, policy, name=hub.name, timed=hub.timed)
        self.hub = hub

    def undelivered(self, items: Any) -> None:
        self.dropped += len(items)
        self.hub.lost += items

    def drop_receiver(self, failure: BaseException | None) -> None:
        if self.receiver_count == 1:
            self.hub.unsubscribe(self)
        super().drop_receiver(failure)
        self.hub.report()

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        self.hub.abort(exc, after_drain)

    def abort_alone(self, exc: BaseException, after_drain: bool) -> None:
        """End this buffer only; the hub ends the others."""
        super().abort(exc, after_drain)
