"""A stream: work of a device in its order. What every kind of device has in common.

Invariants
- What work uses (arrays, host memory, events of the library) is referred to until the device is done with it, whatever
  becomes of whoever gave the work, and of those who wait.
- At most LIMIT pieces of work are given and not done: a driver whose queue is full blocks its caller.
"""

from __future__ import annotations

import asyncio
import collections
import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .array import DeviceArray
from .completion import Source, Then, completions
from .errors import DeviceLost, InvalidLaunch
from .program import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .device import Device
    from .program import Dimensions, Kernel, Signature, Size

#: Pieces of work that may be given to a stream and not be done.
LIMIT: Final = 64
#: Pieces of work after which the loop asks to be told when they are done, if nobody else has.
BATCH: Final = 16


class Stream(ABC):
    """Work for a device, done in the order in which it was given. `device.stream()` makes one.

    The methods that give work return at once. Before them goes `await stream.room()`, if the stream is not known to
    have few pieces of work: a `Slot` does it by itself. All are called on the thread of the loop. Each raises
    DeviceLost once the device is lost, and WorkFailed if its driver refuses.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.in_flight = 0
        self._unsettled = 0
        self._used: list[Any] = []
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    @property
    @abstractmethod
    def handle(self) -> int:
        """The address of the CUstream, or of the cl_command_queue."""

    @abstractmethod
    def copy_in(self, array: DeviceArray, host: NDArray[Any], offset: int = 0) -> None:
        """Copy contiguous host memory into an array, from a byte of it on; neither may be changed before it is done."""

    @abstractmethod
    def copy_out(self, host: NDArray[Any], array: DeviceArray, offset: int = 0) -> None:
        """Copy an array, from a byte of it on, into contiguous host memory."""

    @abstractmethod
    def copy(self, to: DeviceArray, array: DeviceArray) -> None:
        """Copy one array of this device into another of as many bytes."""

    @abstractmethod
    def mark(self) -> Any:
        """A mark behind all that was given so far, for `after` of another stream of this device."""

    @abstractmethod
    def after(self, mark: Any) -> None:
        """Begin nothing of what is given from now on before the mark is reached: the device waits, not the host."""

    @abstractmethod
    def _prepare(self, signature: Signature, values: list[Any]) -> Any:
        """The arguments in the library's form, arrays being its buffers. InvalidLaunch."""

    @abstractmethod
    def _launch(self, kernel: Kernel, grid: Dimensions, block: Dimensions, arguments: Any) -> None:
        """Run a kernel with prepared arguments."""

    # -- what they have in common

    def launch(self, kernel: Kernel, size: Size, arguments: Sequence[Any], block: Size | None = None) -> None:
        """Run a kernel for `size` items, in blocks of `block` (256, or 16 x 16, or 8 x 8 x 4).

        InvalidLaunch for arguments that are not those of its signature; then nothing was given to the device.
        """
        signature = kernel.signature
        signature.check(arguments)
        grid, items = blocks(size, block, self.device.block)
        values = list(arguments)
        arrays: list[DeviceArray] = []
        for number in signature.arrays:
            array = values[number]
            if not isinstance(array, DeviceArray) or array.device is not self.device:
                raise InvalidLaunch(f"{signature.name}: argument {number} is an array on {self.device}, not {array!r}")
            arrays.append(array)
            values[number] = array.buffer
        prepared = self._prepare(signature, values)
        for array in arrays:
            self.use(array)
        self._launch(kernel, grid, items, prepared)
        self.given(kernel.handle, *[array.buffer for array in arrays])

    def use(self, array: DeviceArray) -> None:
        """Begin nothing from now on before the work on an array that other streams were given is done."""
        other = array.stream
        if other is not self:
            if array.ready is not None:
                self.after(array.ready)
            elif other is not None:
                self.after(other.mark())
        array.stream, array.ready = self, None

    def hand_over(self, arrays: Iterable[DeviceArray], *, idle: bool) -> None:
        """Mark where the work on these arrays ends: whoever uses one next waits for no more than that, and for nothing
        if the stream is idle."""
        mine = [array for array in arrays if array.stream is self]
        if not mine:
            return
        mark = None if idle else self.mark()
        for array in mine:
            array.ready = mark
            if mark is None:
                array.stream = None

    async def room(self) -> None:
        """Return when there is room for another piece of work. Cancelling it changes nothing."""
        while self.in_flight >= LIMIT:
            self.device.check()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self.device.check()

    async def done(self, *, timeout: float | None = None) -> None:
        """Return when the device has done all that was given so far; see `gpu.done`. Cancelling it stops no work."""
        future = self.point(by=self)
        if timeout is None:
            await future
            return
        timer = asyncio.get_running_loop().call_later(timeout, self._hung, future, timeout)
        try:
            await future
        finally:
            timer.cancel()

    def point(self, *, by: Source | None = None) -> asyncio.Future[None]:
        """A future that is done when all that was given so far is; more work may follow, which it does not hold up."""
        self.device.check()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def then(error: BaseException | None) -> None:
            if not future.done():
                future.set_result(None) if error is None else future.set_exception(error)

        self.settle(then, by=by or self.midway())
        return future

    def settle(self, then: Then | None = None, *, by: Source | None = None) -> None:
        """Let go of what the work given so far uses, once it is done, and then call `then` with None or an error."""
        number, used = self._unsettled, self._used
        self._unsettled, self._used = 0, []

        def settled(error: BaseException | None) -> None:
            self.in_flight -= number
            self.device.completed += number
            used.clear()
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(None)
            if isinstance(error, DeviceLost):
                self.device.lose(error)
            if then is not None:
                then(error)

        try:
            completions().arm(by or self, settled)
        except BaseException as error:
            self._unsettled += number
            self._used = used + self._used
            if isinstance(error, DeviceLost):
                self.device.lose(error)
            raise

    def given(self, *used: Any) -> None:
        """Count a piece of work that was given, and keep what it uses."""
        self.in_flight += 1
        self._unsettled += 1
        self._used.extend(used)
        if self._unsettled >= BATCH:
            self.settle(by=self.midway())

    def settle_midway(self) -> None:
        """Settle what was given so far, if it is not yet, without holding up what is given next."""
        if self._unsettled and self.device.lost is None:
            self.settle(by=self.midway())

    @abstractmethod
    def release(self) -> None:
        """Destroy it on the thread of the loop, for its device is closed."""

    def midway(self) -> Source:
        """What tells of this point without holding up what is given next."""
        return self

    def _hung(self, future: asyncio.Future[None], timeout: float) -> None:
        from .waiting import hung

        if not future.done():
            self.device.lose(hung(self, timeout))

    # -- as a source of completions

    @property
    def context(self) -> Hashable:
        """See `Source`."""
        return self.device.context

    @abstractmethod
    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        """See `Source`."""

    @abstractmethod
    def waiter(self) -> Callable[[], None]:
        """See `Source`."""

    @abstractmethod
    def check(self) -> None:
        """See `Source`."""
