"""Open connections, the idle ones included, never exceed the number that was allowed.

aiohttp counts only those in use. A list of a thousand hosts would leave a thousand idle sockets behind.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver


class Pool(aiohttp.TCPConnector):
    """A connector that closes the connection that was idle longest before it opens one too many.

    It never queues requests: places are given by the frontier. `_create_connection` is where aiohttp's own
    connectors differ from each other.
    """

    def __init__(self, limit: int, resolver: AbstractResolver) -> None:
        super().__init__(limit=0, resolver=resolver, ttl_dns_cache=300)
        self._open_limit = limit

    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        # The connection to come has its placeholder in _acquired already.
        while len(self._acquired) + sum(map(len, self._conns.values())) > self._open_limit and self._drop_oldest():
            pass
        return await super()._create_connection(*args, **kwargs)

    def _drop_oldest(self) -> bool:
        oldest = min((idle for idle in self._conns.values() if idle), key=lambda idle: idle[0][1], default=None)
        if oldest is None:
            return False
        protocol, _ = oldest[0]
        del oldest[0]
        protocol.close()
        return True
