"""Every error of nodes and the links between them, under the base classes of the channels.

Who gets one can act on it: a sender whose item does not fit, a program whose node is gone, a node whose peer errs.
An exception of another node never travels itself: what arrives here is a RemoteError with its text (NET-47).
"""

from __future__ import annotations

from typing import Any, ClassVar

from actorpar.channels.errors import ActorparError, ChannelBroken, ChannelError


class NodeError(ActorparError):
    """Base class of the errors of nodes and links."""


class NodeDown(NodeError):
    """A node has ended, or was silent past its deadline; `node` is its name (NET-35, NET-42)."""

    def __init__(self, message: str, *, node: str = "") -> None:
        super().__init__(message)
        self.node = node


class Fenced(NodeError):
    """This node was declared down by others while it did not run, and has closed: start it anew (NET-42)."""


class LinkLost(ChannelBroken):
    """The session to the node of the other end has ended (NET-35).

    `unknown` are the items that were sent on this channel from this node, in order, of which it is not known here
    whether somebody has received them. `item` and `items` are what was not sent, as in every refusal.
    """

    unknown: tuple[Any, ...] = ()
    default: ClassVar[str] = "the link to the node of the other end is lost"


class ItemTypeError(ChannelError, TypeError):
    """The item is not of the type that the channel was declared for; it was not sent and is `.item` (NET-8)."""

    default: ClassVar[str] = "the item is not of the channel's declared type"


class ItemTooLarge(ChannelError, ValueError):
    """The item, encoded, is larger than the peer takes (NET-40); it was not sent and is `.item`."""

    default: ClassVar[str] = "the item is larger than the peer takes"


class CodecError(NodeError, ValueError):
    """Bytes that are no valid value of the declared type, or a value that no link can carry."""


class ProtocolError(NodeError):
    """The peer broke the protocol: the link ends. `code` is one word for counters and logs."""

    def __init__(self, message: str, *, code: str = "protocol") -> None:
        super().__init__(message)
        self.code = code


class HandshakeRefused(NodeError):
    """No link came about. `code` tells why: version, app, fenced, duplicate, self, limits, malformed, auth."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidAddress(NodeError, ValueError):
    """A node address is `unix:/path` or `tcp://host:port`; this is neither, or it does not resolve."""


class Unreachable(NodeError):
    """No connection to a node could be made; `__cause__` is what the operating system said (NET-25)."""


class BindRefused(NodeError):
    """A node may listen beyond this host only with a key; or the address is taken."""


class KeyRefused(NodeError):
    """A key or certificate file that is missing, malformed, or readable by others."""


class OutOfSlabs(NodeError):
    """There is no shared memory for so many bytes; they can go by the link."""


class NotImportable(NodeError):
    """Code travels by name: this function or class cannot be imported by another node under its name."""


class RemoteError(NodeError):
    """What failed on another node: `kind` is the name of the exception's class there (NET-47)."""

    def __init__(self, kind: str, message: str, *, details: str = "") -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind = kind
        #: The traceback over there, in debug mode; otherwise empty.
        self.details = details


class MpiError(NodeError):
    """MPI cannot be used here, or a rank is not as the others are; the text says why, and what to do."""


class MpiMissing(MpiError, ImportError):
    """There is no mpi4py, or no MPI that it can load."""


class WrongLauncher(MpiError):
    """The ranks were started by a launcher that does not belong to the MPI that mpi4py loads: each is alone."""
