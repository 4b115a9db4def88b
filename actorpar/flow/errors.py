"""The errors of pipelines."""

from __future__ import annotations

from ..channels.errors import ActorparError


class InvalidPipeline(ActorparError, ValueError):
    """A pipeline or a stage was declared with something that makes no sense; the message says what to write."""


class PipelineUsed(ActorparError, RuntimeError):
    """A pipeline runs once, for it uses its source up: make another one with `ap.pipeline(...)`."""


class StageFailed(ActorparError):
    """A stage failed with `__cause__`, which cannot travel as itself.

    An exception of a stage reaches the consumer as it is, with these exceptions: StopIteration, StopAsyncIteration and
    EndOfChannel would look like the end of the results there, and a CancelledError that nobody asked for like a
    cancellation of the consumer.
    """
