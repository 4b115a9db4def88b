"""The end of a process whose device is lost.

A context that has failed answers nothing but errors, to every call and for good: what is left of it cannot be freed,
and a new one needs a new process. So a node that was started for its device ends, and whoever has started it starts
another.

Invariant: only such a process ends here. Anywhere else the loss is a failure of the actor that has met it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Final

from .errors import DeviceLost

logger = logging.getLogger("actorpar.gpu")

#: The exit code of a node whose device is lost: it is to be started anew.
EX_DEVICE_LOST: Final = 86

_device = ""


def belong_to(device: str) -> None:
    """This process is a node for that device alone."""
    global _device
    _device = device


def leave_process(error: DeviceLost) -> None:
    """End this process, if it is a node for its device: at once, and with EX_DEVICE_LOST. Otherwise it returns.

    Nothing is cleaned up, for each destructor would only meet the same error; what was logged and printed is out.
    """
    if not _device:
        return
    try:
        logger.error("%s is lost, and its process ends: %s: %s", _device, type(error).__name__, error)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        logging.shutdown()
    finally:
        os._exit(EX_DEVICE_LOST)
