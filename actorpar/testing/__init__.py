"""Tools for testing channels and actors, and programs made of them. docs/testing.md tells it by example.

- The pytest plugin, with nothing to import: the fixtures `actor_system`, `leak_check`, `probe` and `virtual_clock`, the
  markers `virtual_time` and `may_leak`.
- `running_system`, `no_leaks`: what these fixtures are made of, for other test runners.
- `wait_idle`: wait until everything that was told has been done. `open_probe`: an actor that records what it is told.
- `check_channel`, `check_select`: the conformance kit, the same named checks over any backing of a channel. A test
  runner that likes names runs the checks one by one from `CHANNEL_CHECKS` and `SELECT_CHECKS`.
- `VirtualClock`, `run_virtual`: an event loop whose time jumps to the next timer, and that raises `Deadlock` where a
  program would wait for ever.
- `detect_blocking`, `live_processes`: for a suite that fails when the loop is blocked or a process outlives its test.

Every name is loaded at its first use, so that the plugin costs nothing to a suite that does not use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .channel_checks import CHANNEL_CHECKS as CHANNEL_CHECKS
    from .channel_checks import check_channel as check_channel
    from .idle import wait_idle as wait_idle
    from .leaks import Leaked as Leaked
    from .leaks import no_leaks as no_leaks
    from .probe import OpenProbe as OpenProbe
    from .probe import Probe as Probe
    from .probe import Told as Told
    from .probe import open_probe as open_probe
    from .running import running_system as running_system
    from .select_checks import SELECT_CHECKS as SELECT_CHECKS
    from .select_checks import check_select as check_select
    from .trial import Check as Check
    from .trial import MakePair as MakePair
    from .trial import Operation as Operation
    from .trial import Trial as Trial
    from .virtual import VirtualClock as VirtualClock
    from .virtual import run_virtual as run_virtual
    from .watching import detect_blocking as detect_blocking
    from .watching import live_processes as live_processes

_HOMES = {
    "channel_checks": "CHANNEL_CHECKS check_channel",
    "idle": "wait_idle",
    "leaks": "Leaked no_leaks",
    "probe": "OpenProbe Probe Told open_probe",
    "running": "running_system",
    "select_checks": "SELECT_CHECKS check_select",
    "trial": "Check MakePair Operation Trial",
    "virtual": "VirtualClock run_virtual",
    "watching": "detect_blocking live_processes",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name for Any

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value
