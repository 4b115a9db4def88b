"""Ends and failures of another node, as reasons and errors of this one (AC-26, AC-47, NET-47).

An exception of another node never travels itself: what arrives is a RemoteError with its text. A chain of causes keeps
its root however long it is. What was refused with a `Reject` of a served class is raised here as that class, so that
`except OutOfStock` means the same on every node.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final, get_args

from ..actors.errors import ActorDead, BrokenPromise, HandlerFailed, MailboxFull, Reject, StartFailed, UnhandledMessage
from ..actors.reason import Kind, Reason
from ..nodes.errors import NodeDown, NotImportable, RemoteError
from . import messages as m
from .naming import class_of

#: Reasons of one chain that are told; of a longer one the first are, and the root.
CHAIN: Final = 8
#: Characters of a text that are told.
TEXT: Final = 4096

#: What is told of an actor that was dead already, or that never was.
NO_SUCH: Final = m.Why("noproc")

_KINDS: Final = get_args(Kind)
#: Modules beside the program's whose refusals are raised as what they are.
_REFUSALS: Final = ("actorpar.actors.refusals",)


def told(reason: Reason) -> m.Why:
    """A reason as another node is told it."""
    chain = [reason]
    while (cause := chain[-1].cause) is not None:
        chain.append(cause)
    if len(chain) > CHAIN:
        chain = [*chain[: CHAIN - 1], chain[-1]]
    why: m.Why | None = None
    for each in reversed(chain):
        detail = "" if each.detail is None else text(each.detail)
        why = m.Why(each.kind, detail, None if each.error is None else named(each.error), why)
    assert why is not None
    return why


def reason_of(why: m.Why) -> Reason:
    """The reason that another node tells; a kind that is unknown here means that nobody knows."""
    kind: Any = why.kind if why.kind in _KINDS else "noconnection"
    error = None if why.error is None else RemoteError(*why.error)
    if kind == "error" and error is None:
        error = RemoteError("Exception", "")
    return Reason(kind, why.detail or None, error, None if why.cause is None else reason_of(why.cause))


def named(error: BaseException) -> tuple[str, str]:
    """The class of an exception by its name, and its text; of what failed on a third node, those of there."""
    if isinstance(error, RemoteError):
        return error.kind, str(error).removeprefix(f"{error.kind}: ")
    return type(error).__name__, text(error)


def text(value: object) -> str:
    """The text of something that a user's class may describe, cut; empty where that raises."""
    try:
        return str(value)[:TEXT]
    except Exception:
        return ""


def error_of(target: str, failed: m.Failed, served: Iterable[str]) -> BaseException:
    """What is raised here for what failed over there (NET-47)."""
    cause = RemoteError(failed.kind.rpartition(":")[2], failed.message, details=failed.details)
    error: BaseException
    match failed.how:
        case "start":
            error = StartFailed(f"{target} did not start: {cause}")
        case "handler":
            error = HandlerFailed(f"{target}: its handler raised {cause}")
        case "dead":
            return ActorDead(failed.message)
        case "broken":
            return BrokenPromise(failed.message)
        case "down":
            return NodeDown(failed.message, node="")
        case "full":
            return MailboxFull(failed.message)
        case "unhandled":
            return UnhandledMessage(failed.message)
        case "import":
            return NotImportable(failed.message)
        case "reject":
            error = _refusal(failed, served)
        case _:
            return cause
    error.__cause__ = cause
    return error


def _refusal(failed: m.Failed, served: Iterable[str]) -> Reject:
    """The refusal, of its class, or of the nearest above it that is made of a text alone: no other can be made here."""
    try:
        line = class_of(failed.kind, (*served, *_REFUSALS)).__mro__
    except NotImportable:
        line = ()
    for cls in line:
        if issubclass(cls, Reject) and not isinstance(cls.__init__, FunctionType):
            return cls(failed.message)
    return Reject(failed.message)
