"""Tools for testing channels, and programs made of them.

- `check_channel`, `check_select`: the conformance kit, the same named checks over any backing of a channel. A test
  runner that likes names runs the checks one by one from `CHANNEL_CHECKS` and `SELECT_CHECKS`.
- `VirtualClock`, `run_virtual`: an event loop whose time jumps to the next timer, and that raises `Deadlock` where a
  program would wait for ever.
- `detect_blocking`, `live_processes`: for a suite that fails when the loop is blocked or a process outlives its test.
"""

from .channel_checks import CHANNEL_CHECKS, check_channel
from .select_checks import SELECT_CHECKS, check_select
from .trial import Check, MakePair, Operation, Trial
from .virtual import VirtualClock, run_virtual
from .watching import detect_blocking, live_processes

__all__ = [
    "CHANNEL_CHECKS",
    "SELECT_CHECKS",
    "Check",
    "MakePair",
    "Operation",
    "Trial",
    "VirtualClock",
    "check_channel",
    "check_select",
    "detect_blocking",
    "live_processes",
    "run_virtual",
]
