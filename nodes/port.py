"""How ends and references cross one link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, get_args, get_origin

from actorpar.channels.end import End
from actorpar.channels.receiver import Receiver
from actorpar.channels.sender import Sender

from .codec.port import CARRIERS
from .errors import CodecError
from .remote import moving

if TYPE_CHECKING:
    from .node import Node
    from .remote.peer import Peer

_END: Final = b"e"
_REFERENCE: Final = b"r"
_CARRIED: Final = b"c"


class References(Protocol):
    """How references to actors cross links; whoever has actors provides it."""

    def export(self, reference: Any, to: Peer) -> bytes:
        """Describe a reference for another node."""

    def accept(self, declared: Any, data: bytes, peer: Peer) -> Any:
        """The reference that another node has described. CodecError."""


class LinkPort:
    """The port of a link."""

    def __init__(self, node: Node, peer: Peer) -> None:
        self._node = node
        self._peer = peer

    def export(self, value: Any) -> bytes:
        if isinstance(value, End):
            return _END + moving.export(self._node.table, value, self._peer)
        carrier = CARRIERS.get(type(value))
        if carrier is not None:
            return _CARRIED + carrier.leave(value, self.export)
        if self._node.references is None:
            raise CodecError(f"{value!r} cannot be sent to another node")
        return _REFERENCE + self._node.references.export(value, self._peer)

    def accept(self, declared: Any, data: bytes) -> Any:
        wanted = get_origin(declared) or declared
        kind, rest = data[:1], data[1:]
        if kind == _END and wanted in (Sender, Receiver):
            item = get_args(declared)
            end = moving.accept(self._node.table, rest, item[0] if item else Any, self._peer)
            if not isinstance(end, wanted):
                end.close()
                raise CodecError(f"{wanted.__name__} is declared, and a {type(end).__name__} came")
            return end
        if kind == _CARRIED and wanted in CARRIERS:
            return CARRIERS[wanted].arrive(rest, self.accept)
        if kind == _REFERENCE and self._node.references is not None and wanted not in (Sender, Receiver):
            return self._node.references.accept(declared, rest, self._peer)
        raise CodecError(f"{declared!r} is declared, and something else came")
