"""The checks that every channel passes, whatever backs it: `await check_channel(make_pair)`.

Each check cites its rule of docs/semantics.md. They use the public face alone, and assume no exact scheduling.
"""

from __future__ import annotations

from collections.abc import Iterable

from .cancellation_checks import CANCELLATION_CHECKS
from .ending_checks import ENDING_CHECKS
from .flow_checks import FLOW_CHECKS
from .trial import Checks, MakePair

#: Every check of a single channel, by name.
CHANNEL_CHECKS = Checks({**FLOW_CHECKS, **ENDING_CHECKS, **CANCELLATION_CHECKS})


async def check_channel(make_pair: MakePair, *, lacks: Iterable[str] = (), patience: float = 0.01) -> None:
    """Run all CHANNEL_CHECKS over channels of `make_pair(capacity)`, from processes and from ordinary tasks.

    lacks       what the backing cannot offer, of "rendezvous", "back-pressure", "unbounded" and "readiness"
    patience    seconds after which an operation that has not ended is taken to wait

    Raises what the first failing check raises, with a note that names it and its rule.
    """
    await CHANNEL_CHECKS.run_all(make_pair, frozenset(lacks), patience)
