"""What is done to an actor from outside, here or on another node: stop it, kill it, wait for its end."""

from __future__ import annotations

from typing import Any

from . import life
from .reason import Reason
from .ref import ActorRef, AwayRef
from .timed import addressee_of


async def stop(ref: ActorRef[Any], reason: Reason, seconds: float | None) -> Reason:
    """Stop an actor and wait for its end; kill it after `seconds`."""
    target = addressee_of(ref)
    if isinstance(target, AwayRef):
        return await target.stop(reason, seconds)
    return await life.stop_and_wait(target, seconds, reason)


def kill(ref: ActorRef[Any]) -> None:
    """End an actor without asking it."""
    target = addressee_of(ref)
    if isinstance(target, AwayRef):
        target.kill()
    else:
        life.kill(target)


async def ended(ref: ActorRef[Any]) -> Reason:
    """Wait for the end of an actor and return how it ended."""
    target = addressee_of(ref)
    return await (target.ended() if isinstance(target, AwayRef) else life.ended(target))
