"""What of a channel is free."""

from __future__ import annotations

import math

from actorpar.channels.flavors.base import Flavor


def credit_of(core: Flavor) -> int:
    """Slots that are free and promised to nobody."""
    if core.capacity == math.inf:
        return 0
    return max(core.limit - len(core.buffer), 0)
