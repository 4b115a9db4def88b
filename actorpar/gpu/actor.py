"""`GpuActor`: an actor that owns streams of a device, and runs kernels on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..actors.actor import Actor
from .device import open_device
from .errors import InvalidDevice

if TYPE_CHECKING:
    from ..actors.reason import Reason
    from .device import Device
    from .program import Program
    from .slot import Slot, Slots


class GpuActor(Actor, reentrant=True):
    """Base class of actors that use a device. Its handlers do so in slots:

        class Scale(gpu.GpuActor, slots=3):
            program = gpu.Program({"cuda": CUDA, "opencl": OPENCL}, scale="Pfi")

            async def scale(self, numbers: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
                async with self.slot() as slot:
                    array = await slot.put(numbers)
                    await slot.launch("scale", array.size, array, factor, array.size)
                    return await slot.get(array)

    It is reentrant: while one handler waits for the device, the next begins, in another slot. With all slots in use
    handlers wait, and messages stay in the mailbox of whoever sends with back-pressure. Options of the class statement,
    beside those of `Actor`:

    slots   how many handlers use the device at a time, 2: while one copies, another computes
    device  "cuda:0", "opencl:0", "cuda", "opencl" or "auto"; by default what ACTORPAR_DEVICE says, else "auto"

    Starting it opens the device and compiles `program`, off the loop: NoDevice, CompileError. DeviceLost fails the
    actor; on a node for a device the process is replaced with it. A class with an `on_start` or `on_stop` of its own
    calls that of `GpuActor` in it: `await super().on_start()`.
    """

    program: ClassVar[Program | None] = None
    _slot_count: ClassVar[int] = 2
    _device_spec: ClassVar[str | None] = None
    _slots: Slots | None = None

    def __init_subclass__(cls, *, slots: int | None = None, device: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if slots is not None:
            if not isinstance(slots, int) or slots < 1:
                raise InvalidDevice(f"{cls.__qualname__}: slots is a number from 1 on, not {slots!r}")
            cls._slot_count = slots
        if device is not None:
            cls._device_spec = device

    @property
    def device(self) -> Device:
        """Its device."""
        return self._ready().device

    def slot(self) -> Slot:
        """A stream of its own for whoever enters it: `async with self.slot() as slot:` waits for a free one."""
        return self._ready().slot()

    async def on_start(self) -> None:
        """Open the device and compile the program."""
        from .slot import Slots  # numpy, which nobody needs who has no device

        device = open_device(self._device_spec)
        kernels = await device.build(self.program) if self.program is not None else {}
        self._slots = Slots(device, kernels, self._slot_count)

    async def on_stop(self, reason: Reason) -> None:
        """Wait until the device is done with what this actor has given it."""
        if self._slots is not None and self._slots.device.lost is None:
            await self._slots.drain()

    def _ready(self) -> Slots:
        if self._slots is None:
            name = type(self).__qualname__
            raise InvalidDevice(f"{name} has no device yet: its on_start has to `await super().on_start()` first")
        return self._slots
