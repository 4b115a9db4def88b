"""Why an actor ended, and the two messages that tell it to others: `Down` to a monitor, `Exit` to a link (AC-26)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..channels.process import Process
    from .bonds import Monitor
    from .ref import ActorRef

Kind = Literal["normal", "shutdown", "killed", "noproc", "noconnection", "error"]


@dataclass(frozen=True, slots=True)
class Reason:
    """How an actor or a process ended.

    kind     normal: it stopped itself; shutdown: it was told to stop; killed: it was not asked; noproc: it was dead
             already when it was watched; noconnection: its node cannot be reached, so nobody knows; error: it failed
    detail   more about a shutdown, in the words of who ordered it
    error    what was raised, for kind error
    cause    the end of another actor that led to this one (AC-47)
    """

    kind: Kind
    detail: object = None
    error: BaseException | None = None
    cause: Reason | None = None

    @property
    def abnormal(self) -> bool:
        """True unless the end was wished for: normal, shutdown."""
        return self.kind not in ("normal", "shutdown")

    @property
    def root(self) -> Reason:
        """The first failure of the chain of causes; itself if there is none."""
        reason = self
        while reason.cause is not None:
            reason = reason.cause
        return reason

    def __str__(self) -> str:
        text: str = self.kind
        if self.error is not None:
            text += f"({describe(self.error)})"
        elif self.detail is not None:
            text += f"({self.detail})"
        return text if self.cause is None else f"{text} because of {self.cause}"


NORMAL = Reason("normal")
SHUTDOWN = Reason("shutdown")
KILLED = Reason("killed")
NOPROC = Reason("noproc")
NOCONNECTION = Reason("noconnection")


def describe(error: BaseException) -> str:
    """The `repr` of an exception, or its type where the `repr`, which is the user's code, raises."""
    try:
        return repr(error)
    except Exception:
        return f"{type(error).__name__}, whose repr raised"


def reason_of(process: asyncio.Future[Any]) -> Reason:
    """How a process that is done ended, or an actor on another node, which tells its own reason."""
    told = getattr(process, "reason", None)
    if isinstance(told, Reason):
        return told
    if process.cancelled():
        return SHUTDOWN
    error = process.exception()
    return NORMAL if error is None else Reason("error", error=error)


@dataclass(frozen=True, slots=True)
class Down:
    """A watched actor or process ended; handed to `on_down` behind every message it sent before (AC-5, AC-31)."""

    ref: ActorRef[Any] | Process[Any]
    reason: Reason
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Exit:
    """A linked actor or process ended; handed to `on_exit` where the class defines it, which traps exits (AC-29)."""

    ref: ActorRef[Any] | Process[Any]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Restart:
    """What `on_restart` is told: why the last incarnation ended, what it kept (`ctx.keep`), and which restart it is."""

    reason: Reason
    state: Any
    count: int
