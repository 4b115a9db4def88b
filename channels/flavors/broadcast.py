"""One sender side, many subscribers, each with a buffer of its own that gets every item.

Invariants
- The hub has no buffer: `limit` stays at 0 or CLOSED, so a send always comes to `try_send`.
- A send commits to all subscribers or to none; with the policy "wait" the slowest of them sets the pace.
- `granted` slots are reserved, in every subscriber, for senders that were woken and have not run; a new subscriber
  starts with as many, so that their items reach it too.
- Without a subscriber an item goes nowhere: it is counted as dropped and given to `on_undelivered`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ChannelBroken
from ..waiters import ENDED, GRANTED, IDLE, QUEUED, Waiter, count_live, wake, wake_all
from .base import NO_WAITERS, Flavor
from .bounded import Bounded
from .lossy import Lossy, Policy


class Hub(Flavor):
    """What the senders of a broadcast share."""

    __slots__ = ("granted", "policy", "subscriptions")

    def __init__(self, capacity: float, policy: Policy | None, **options: Any) -> None:
        super().__init__(capacity, **options)
        self.policy = policy
        self.granted = 0
        self.subscriptions: list[Subscription | LossySubscription] = []

    def room(self) -> int:
        return 0

    def subscribe(self) -> Flavor:
        """A new buffer that gets every item sent from now on."""
        options = {"name": self.name, "on_undelivered": self.on_undelivered, "timed": self.timed}
        subscription: Subscription | LossySubscription
        if self.policy is None:
            subscription = Subscription(self, **options)
        else:
            subscription = LossySubscription(self, self.policy, **options)
        self.check_loop()
        if self.failure is not None:
            subscription.cause = self.cause
            subscription.end(self.failure)
            return subscription
        subscription.bind(self.queue) if self.queue.loop is not None else subscription.open()
        subscription.limit -= self.granted
        self.subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription | LossySubscription) -> None:
        """A subscriber left: it may have been the one that held the senders up."""
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
            self.slot_freed()

    def has_room(self) -> bool:
        """True if every subscriber has a free slot."""
        return all(len(each.buffer) < each.limit for each in self.subscriptions)

    def try_send(self, item: Any) -> bool:
        if self.failure is not None:
            raise self.refusal(item)
        if self.policy is None and (count_live(self.senders) or not self.has_room()):
            self.sender_queue()
            return False
        self.deliver(item)
        return True

    def deliver(self, item: Any) -> None:
        """Put the item into every subscriber's buffer."""
        if not self.subscriptions:
            self.undelivered((item,))
        for subscription in tuple(self.subscriptions):
            subscription.try_send(item)

    def slot_freed(self) -> None:
        while self.senders and self.has_room() and wake(self.senders, GRANTED):
            self.reserve_everywhere(1)

    def reserve_everywhere(self, count: int) -> None:
        """Reserve `count` slots in every subscriber, or give back as many."""
        self.granted += count
        for subscription in self.subscriptions:
            subscription.limit -= count

    def finish_send(self, waiter: Waiter) -> None:
        state, item, end = self.settle(waiter)
        self.settle_slot(state)
        if end.core is not self or state != GRANTED or self.failure is not None:
            raise end.core.refusal(item)
        self.deliver(item)

    def finish_reserve(self, waiter: Waiter) -> Any:
        state, _, end = self.settle(waiter)
        if end.core is not self or state != GRANTED or self.failure is not None:
            self.settle_slot(state)
            raise end.core.refusal()
        return True

    def settle_slot(self, state: int) -> None:
        """A woken sender has run: what was reserved for it is free again, for itself first."""
        if state == GRANTED and self.failure is None:
            self.reserve_everywhere(-1)

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state in QUEUED:
            self.discard(self.senders, waiter)
        else:
            self.settle_slot(waiter.state)
            waiter.state = IDLE
            self.slot_freed()
        waiter.end = waiter.item = None

    def try_reserve(self) -> Any:
        if self.failure is not None:
            raise self.refusal()
        if count_live(self.senders) or not self.has_room():
            return None
        self.reserve_everywhere(1)
        return True

    def redeem(self, token: Any, item: Any) -> None:
        if self.failure is not None:
            raise self.refusal(item)
        self.reserve_everywhere(-1)
        self.deliver(item)

    def forfeit(self, token: Any) -> None:
        if self.failure is None:
            self.reserve_everywhere(-1)
            self.slot_freed()

    def drop_sender(self, failure: BaseException | None) -> None:
        super().drop_sender(failure)
        if self.failure is not None:
            for subscription in tuple(self.subscriptions):
                subscription.drop_sender(self.cause)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        super().abort(exc, after_drain)
        for subscription in tuple(self.subscriptions):
            subscription.abort_alone(exc, after_drain)

    def close_hub(self) -> None:
        """Nobody will subscribe any more: without a subscriber the channel is broken (CH-22)."""
        self.receiver_count = 0
        self.end_if_deserted()

    def end_if_deserted(self) -> None:
        """The last receiver is gone and no other can come."""
        if not self.receiver_count and not self.subscriptions and self.failure is None:
            self.end(ChannelBroken)
            wake_all(self.senders, ENDED)


class Subscription(Bounded):
    """One subscriber's buffer; its senders are those of the hub."""

    __slots__ = ("hub",)

    def __init__(self, hub: Hub, **options: Any) -> None:
        super().__init__(hub.capacity, **options)
        self.hub = hub
        self.senders = hub.sender_queue()

    def slot_freed(self) -> None:
        self.hub.slot_freed()

    def drop_receiver(self) -> None:
        leave(self, super().drop_receiver)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        self.hub.abort(exc, after_drain)

    def abort_alone(self, exc: BaseException, after_drain: bool) -> None:
        """End this buffer only; the hub ends the others."""
        super().abort(exc, after_drain)


class LossySubscription(Lossy):
    """One subscriber's buffer that drops, by its policy, what the subscriber is too slow to take."""

    __slots__ = ("hub",)

    def __init__(self, hub: Hub, policy: Policy, **options: Any) -> None:
        super().__init__(hub.capacity, policy, **options)
        self.hub = hub

    def slot_freed(self) -> None:
        """Nothing: no sender waits."""

    def drop_receiver(self) -> None:
        leave(self, super().drop_receiver)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        self.hub.abort(exc, after_drain)

    def abort_alone(self, exc: BaseException, after_drain: bool) -> None:
        """End this buffer only; the hub ends the others."""
        super().abort(exc, after_drain)


def leave(subscription: Subscription | LossySubscription, drop_receiver: Callable[[], None]) -> None:
    """A handle of a subscriber was closed; with its last one the subscription ends, and nothing else."""
    hub = subscription.hub
    if subscription.receiver_count == 1:
        if isinstance(subscription, Subscription):
            subscription.senders = NO_WAITERS  # the hub's senders wait for the others
        hub.unsubscribe(subscription)
    drop_receiver()
    hub.end_if_deserted()
