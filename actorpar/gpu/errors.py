"""What devices raise."""

from __future__ import annotations

from ..channels.errors import ActorparError


class GpuError(ActorparError):
    """Something about a device."""


class NoDevice(GpuError):
    """There is no such device here; the text says why, for each kind, and what to do."""


class DeviceLost(GpuError):
    """The device answers nothing but errors to this process, which has to be replaced."""


class DeviceHung(DeviceLost):
    """The device has not done what it was given in time."""


class CompileError(GpuError):
    """A kernel could not be compiled."""
