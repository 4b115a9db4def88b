"""What of a channel is free, and how many bytes may be on their way (NET-4)."""

from __future__ import annotations

import math
from typing import Final

from actorpar.channels.flavors.base import Flavor

#: Bytes that one end may have on their way.
WINDOW: Final = 4 << 20
#: Bytes below which the home does not tell that they are free; so who has fewer on their way does not wait for that.
UNTOLD: Final = WINDOW // 4


def credit_of(core: Flavor) -> int:
    """Slots that are free and promised to nobody."""
    if core.capacity == math.inf:
        return 0
    return max(core.limit - len(core.buffer), 0)
