"""Every error of devices. Those that leave a device as it was are answers to who asked; `DeviceLost` is for good."""

from __future__ import annotations

from ..actors.errors import Reject
from ..channels.errors import ActorparError


class GpuError(ActorparError):
    """Base class of the errors of devices."""


class NoDevice(GpuError):
    """There is no such device, or nothing to use it with. The text gives the reason for each kind of device."""


class DeviceLost(GpuError):
    """The device cannot be used by this process any more: a kernel has faulted, or its driver has given up.

    Everything that is awaited of the device fails with it, and so does every later use: only a new process has the
    device back. On a node that was started for the device, the process ends and is started anew; elsewhere the actor
    fails, and its supervisor decides.
    """


class DeviceHung(DeviceLost):
    """A deadline on device work has passed. Nothing but the end of the process stops work on a device."""


class CompileError(GpuError):
    """A program does not compile; the text is the compiler's."""


class InvalidDevice(GpuError):
    """What was asked for cannot be a device or a stream."""


class InvalidLaunch(GpuError, Reject):
    """A kernel that the program does not have, or arguments that are not those it declares. Nothing was enqueued."""


class OutOfDeviceMemory(GpuError, Reject):
    """The device has no room for this. What it had is untouched, and the actor lives on."""


class ArrayLost(GpuError):
    """An array that came from another node has not come whole: that node, its device or its actor is gone."""


class WorkFailed(GpuError):
    """The driver has refused to enqueue or has failed a piece of work; the device itself is alive."""
