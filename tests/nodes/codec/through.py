"""The way of a batch over a link, without the link."""

from __future__ import annotations

from typing import Any

from actorpar.nodes.codec.port import NoPort, Port
from actorpar.nodes.codec.schema import schema_of


def through(declared: Any, *items: Any, port: Port | None = None) -> list[Any]:
    """The items, encoded and decoded; the memory that they came in is used for something else then."""
    schema, port = schema_of(declared), port or NoPort()
    body, buffers = schema.encode(list(items), port)
    memory = bytearray(body)
    came = schema.decode(memoryview(memory), [bytearray(each) for each in buffers], port)
    memory[:] = bytes(len(memory))
    return came
