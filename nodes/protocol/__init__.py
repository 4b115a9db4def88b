"""The protocols of a link as state machines without I/O: bytes, ticks and calls in, bytes and events out."""
