"""Items that came for an end: only as many as may come are decoded, and what is none of the declared type is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .codec.schema import count_of
from .errors import CodecError, ProtocolError

if TYPE_CHECKING:
    from .node import Node
    from .port import LinkPort
    from .remote.peer import Away


def deliver(node: Node, port: LinkPort, end: Away, body: Any, buffers: list[Any]) -> None:
    """Give the items of a batch to their end; those of a wrong type are counted and logged (NET-8).

    ProtocolError: more came than this end may be sent, or no batch at all.
    """
    end.expects(count_of(body))
    size = len(body) + (sum(map(len, buffers)) if buffers else 0)
    schema = end.schema
    try:
        items, bad = schema.decode(body, buffers, port), 0
    except CodecError:
        try:
            parts = schema.decode_each(body, buffers, port)
        except CodecError as error:
            raise ProtocolError(str(error), code="items") from error
        items = [part for part in parts if not isinstance(part, CodecError)]
        bad = len(parts) - len(items)
        node.refused_items(end, [part for part in parts if isinstance(part, CodecError)])
    end.on_items(items, bad, size)
