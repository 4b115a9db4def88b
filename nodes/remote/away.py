"""What a channel is at a sending end that is away from its home: what it does differently, as a flavour."""

from __future__ import annotations

from typing import Any

from actorpar.channels.errors import ChannelError
from actorpar.channels.flavors.base import Flavor
from actorpar.channels.flavors.bounded import Bounded
from actorpar.channels.flavors.lossy import Lossy

from ..errors import LinkLost
from .outlet import Outlet


class AtOutlet(Flavor):
    """What a channel does differently at an outlet."""

    __slots__ = ()

    remote: Outlet

    def try_send(self, item: Any) -> bool:
        self.remote.check(item)
        if len(self.buffer) >= self.limit and self.failure is None:
            self.remote.next_slice()
        return super().try_send(item)

    def try_reserve(self) -> Any:
        if len(self.buffer) >= self.limit and self.failure is None:
            self.remote.next_slice()
        return super().try_reserve()

    def sender_parked(self, waiter: Any) -> None:
        super().sender_parked(waiter)
        self.remote.starve()

    def drop_sender(self, failure: BaseException | None) -> None:
        self.sender_count -= 1
        if failure is not None and self.cause is None:
            self.cause = failure
        if not self.sender_count:
            self.remote.close(self.cause)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        if self.failure is None:
            self.remote.abort(exc, after_drain)

    async def flush(self) -> None:
        if self.failure is None:
            await self.remote.confirming.wait()
        if self.failure is not None:
            raise self.refusal()

    def refusal(self, item: Any = None) -> ChannelError:
        error = super().refusal(item)
        if isinstance(error, LinkLost):
            error.unknown = self.remote.unknown
        return error

    def is_served_outside(self) -> bool:
        return True


class OutletBounded(AtOutlet, Bounded):
    """An outlet of a channel with a buffer."""

    __slots__ = ()


class OutletLossy(AtOutlet, Lossy):
    """An outlet of a channel that never makes its senders wait: without credit, its policy decides here (CH-19)."""

    __slots__ = ()
