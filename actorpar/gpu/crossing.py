"""Device arrays between processes: a ticket goes with the message, and what the array has follows through a channel.

The ticket says shape and type, and has the receiving end of a channel of parts. The process that the array leaves
copies part after part to the host and sends it; the end of the channel moves along to where the array goes, and its
capacity is what is sent before anybody over there uses the array. So nothing but the channel bounds it, and the end of
the channel is the end of the array's life here: it is all there, or nobody wants it any more, or a node is lost.

Invariants
- An array is held here until its last part is on its way, or its channel has broken.
- What comes is checked: an array has as many bytes as its ticket says, and is of plain numbers.
- An array that has arrived and that nobody refers to any more closes its end.
"""

from __future__ import annotations

import asyncio
import math
import re
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..channels.end import End
from ..channels.errors import ChannelError
from ..channels.opening import open_channel
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from ..nodes.codec.schema import register_carrier
from ..nodes.errors import CodecError
from .array import DeviceArray
from .errors import ArrayLost, GpuError, InvalidDevice
from .staging import copy_in, parts_of

if TYPE_CHECKING:
    from .device import Device

Part = NDArray[np.uint8]

#: Parts that are sent before the array is used over there; two are double buffering.
AHEAD: Final = 2
#: Bytes of an array that a ticket may tell of, and its dimensions.
MOST_BYTES: Final = 1 << 48
MOST_DIMENSIONS: Final = 32
_PLAIN: Final = re.compile(r"[<>|=][biufc][0-9]{1,2}")


class Loan(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where an array stands on the device of a process, for others that use the same device: see ipc.py."""

    process: int
    device: bytes
    memory: bytes
    event: bytes


class Ticket(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What goes with the message."""

    dtype: str
    shape: list[int]
    parts: bytes  # the receiving end
    asks: bytes  # with a loan: the sending end that asks for parts, and whose end gives the loan back
    loan: Loan | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ticket).decode
#: The tasks that send parts: a loop refers to its tasks weakly.
_SENDING: Final[set[asyncio.Task[None]]] = set()


class Arrival:
    """What an array that has arrived is made of, until it is used."""

    def __init__(
        self, array: DeviceArray, parts: Receiver[Part], loan: Loan | None = None, asks: Sender[int] | None = None
    ) -> None:
        self.parts = parts
        self.loan = loan
        self.asks = asks
        self._bringing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._dropped = weakref.finalize(array, self._drop)
        self._dropped.atexit = False

    @property
    def begun(self) -> bool:
        """True once somebody has begun to bring it here."""
        return self._bringing is not None

    async def bring(self, array: DeviceArray, device: Device) -> None:
        """Copy it to a device; for all who ask for it, once. Cancelling one of them does not stop it. ArrayLost."""
        if self._bringing is None:
            self._bringing = asyncio.ensure_future(self._bring(array, device))
            self._bringing.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._bringing)

    async def _bring(self, array: DeviceArray, device: Device) -> None:
        if self.loan is not None and self._borrow(array, device, self.loan):
            return
        stream = device.stream()
        here = device.empty(array.shape, array.dtype)
        try:
            begin = 0
            async for part in self.received(array.nbytes):
                await copy_in(stream, here, part, begin)
                begin += len(part)
            stream.hand_over([here], idle=False)
        finally:
            device.spare.append(stream)
        array.become(here)

    def _borrow(self, array: DeviceArray, device: Device, loan: Loan) -> bool:
        """Use it where it stands, if that is possible; it is given back when it and the device are done with it."""
        if device.kind != "cuda" or self.asks is None:
            return False
        from . import ipc

        borrowed = ipc.borrow(cast(Any, device), loan, array.nbytes, self.asks.close)
        if borrowed is None:
            return False
        here = DeviceArray(device, array.shape, array.dtype, borrowed[0])
        here.ready = borrowed[1]
        self._dropped.detach()
        self.parts.close()
        array.become(here)
        return True

    async def received(self, size: int) -> AsyncIterator[Part]:
        """The parts, which have so many bytes together. ArrayLost."""
        begin = 0
        with self.parts:
            try:
                if self.asks is not None:
                    await self.asks.send(1)
                async for part in self.parts:
                    if part.ndim != 1 or not len(part) or begin + len(part) > size:
                        raise ArrayLost(f"an array of {size} bytes came with more than these")
                    yield part
                    begin += len(part)
            except ChannelError as error:
                raise ArrayLost(f"{begin} of the {size} bytes of an array had come when its node was lost") from error
        if begin != size:
            raise ArrayLost(f"{begin} of the {size} bytes of an array have come: its device or its process has failed")

    def close(self) -> None:
        """Nobody wants it."""
        self.parts.close()
        if self.asks is not None:
            self.asks.close()

    def _drop(self) -> None:
        """Nobody has the array any more; on whichever thread that is."""
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:  # the loop has ended, and its channels with it
            pass


class ArrayCarrier:
    """How arrays cross links."""

    def leave(self, value: DeviceArray, export: Callable[[End], bytes]) -> bytes:
        """See `Carrier`. An array that was not used since it came is sent on as it came."""
        if not _PLAIN.fullmatch(value.dtype.str):
            raise CodecError(f"{value!r} cannot be sent: only arrays of plain numbers can")
        arrival = value.arrival
        if arrival is not None:
            if arrival.begun:
                raise CodecError(f"{value!r} is just brought here and cannot be sent on before that is done")
            parts, loan, asks = arrival.parts, arrival.loan, arrival.asks
        else:
            parts, loan, asks = _offer(value)
        asks_by = b"" if asks is None else export(asks)
        return _encode(Ticket(value.dtype.str, list(value.shape), export(parts), asks_by, loan))

    def arrive(self, data: bytes, accept: Callable[[Any, bytes], Any]) -> DeviceArray:
        """See `Carrier`."""
        try:
            ticket = _decode(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise CodecError(f"this describes no array of a device: {error}") from None
        if not _PLAIN.fullmatch(ticket.dtype):
            raise CodecError(f"an array of {ticket.dtype[:40]!r} came; only plain numbers may")
        if len(ticket.shape) > MOST_DIMENSIONS or any(each < 0 for each in ticket.shape):
            raise CodecError("an array came whose shape makes no sense")
        try:
            dtype = np.dtype(ticket.dtype)
        except TypeError:
            raise CodecError(f"an array of {ticket.dtype!r} came, which is no type of numbers") from None
        if math.prod(ticket.shape) * dtype.itemsize > MOST_BYTES:
            raise CodecError("an array came that is larger than the memory of any device")
        array = DeviceArray(None, tuple(ticket.shape), dtype, None)
        parts = accept(Receiver[Part], ticket.parts)
        asks = accept(Sender[int], ticket.asks) if ticket.loan is not None else None
        array.arrival = Arrival(array, parts, ticket.loan, asks)
        return array

    def refuse(self, value: DeviceArray) -> None:
        """See `Carrier`."""
        if value.arrival is not None:
            value.arrival.close()


def _offer(array: DeviceArray) -> tuple[Receiver[Part], Loan | None, Sender[int] | None]:
    """What goes along with an array of this process, which is held until it is sent, or given back."""
    tx, rx = open_channel[Part](AHEAD, name=f"parts of {array!r}")
    lent = None
    if array.device.kind == "cuda":
        from . import ipc

        lent = ipc.lend(array)
    if lent is None:
        _hold(_send(array, tx))
        return rx, None, None
    asks_tx, asks_rx = open_channel[int](1, name=f"the loan of {array!r}")
    _hold(_serve(array, lent[1], asks_rx, tx))
    return rx, lent[0], asks_tx


def _hold(sending: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(sending)
    _SENDING.add(task)
    task.add_done_callback(_SENDING.discard)


async def _serve(array: DeviceArray, event: object, asks: Receiver[int], tx: Sender[Part]) -> None:
    """Keep what is lent, its event included, until it is given back; send it, if it cannot be used where it stands."""
    with asks, tx:
        try:
            async for _ in asks:
                await _send(array, tx)
        except ChannelError:  # the node that had it is lost
            pass
    del event


async def _send(array: DeviceArray, tx: Sender[Part]) -> None:
    """Send an array part by part; whoever receives learns of a failure by what is missing."""
    device = array.device
    try:
        stream = device.stream()
        try:
            with tx:
                async for part in parts_of(stream, array):
                    await tx.send(part)
        finally:
            device.spare.append(stream)
    except (ChannelError, GpuError):
        tx.close()


async def to_host(array: DeviceArray) -> NDArray[Any]:
    """What an array has, on the host. One that has arrived needs no device for that, and is used up by it."""
    arrival = array.arrival
    if arrival is None:
        stream = array.device.stream()
        memory = np.empty(array.nbytes, np.uint8)
        begin = 0
        try:
            async for part in parts_of(stream, array):
                memory[begin : begin + len(part)] = part
                begin += len(part)
        finally:
            array.device.spare.append(stream)
        return memory.view(array.dtype).reshape(array.shape)
    if arrival.begun:
        raise InvalidDevice(f"{array!r} is just brought to a device: `get` it in a slot")
    parts = [part async for part in arrival.received(array.nbytes)]
    memory = np.concatenate(parts) if parts else np.empty(0, np.uint8)
    return memory.view(array.dtype).reshape(array.shape)


register_carrier(DeviceArray, ArrayCarrier())
