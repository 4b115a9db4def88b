"""How the end of a channel, and its cause, cross a link."""

from __future__ import annotations

from typing import Final

from actorpar.channels.errors import ChannelAborted, ChannelBroken, ChannelError, EndOfChannel

from ..errors import NodeDown, RemoteError

FAILURES: Final[dict[str, type[ChannelError]]] = {
    "end": EndOfChannel,
    "broken": ChannelBroken,
    "aborted": ChannelAborted,
}


def describe(error: BaseException) -> str:
    """A cause as it crosses a link: the name of its class and its text (NET-47)."""
    if isinstance(error, RemoteError | NodeDown):
        return str(error) if isinstance(error, RemoteError) else f"NodeDown: {error}"
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}"[:4096]


def split(cause: str) -> tuple[str, str]:
    """The kind and the message of a cause."""
    kind, _, message = cause.partition(": ")
    return kind, message
