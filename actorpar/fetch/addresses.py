"""Which addresses a redirect may lead to, decided on the addresses that are really connected to.

A name is judged by what it resolves to, at the moment of the connection, so a name that changes its address between
check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from actorpar.channels import env

_REMEMBERED = 10_000


class PrivateAddress(OSError):
    """A name that may only lead to public addresses leads to another one."""


class Resolver(AbstractResolver):
    """getaddrinfo in the executor of the process; with `public_only` it refuses names of other addresses.

    Not the loop's own getaddrinfo: uvloop has four threads for it, and four dead hosts would stall all others.
    """

    def __init__(self, *, public_only: bool = False) -> None:
        self._public_only = public_only
        self._public: dict[str, bool] = {}

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Addresses of a host, as aiohttp's connector wants them."""
        found = await env.run_in_thread(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        results = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, address in found
        ]
        public = all(is_public(result["host"]) for result in results)
        if self._public_only and not public:
            raise PrivateAddress(f"{host} leads to a private address")
        if len(self._public) >= _REMEMBERED:
            self._public.clear()
        self._public[host] = public
        return results

    def knows_public(self, host: str) -> bool:
        """Whether a host that was connected to has only public addresses; a name that others resolved counts as one."""
        literal = literal_address(host)
        return is_public(host) if literal else self._public.get(host, True)

    async def close(self) -> None:
        """Nothing is held."""


def literal_address(host: str) -> bool:
    """Whether the host of a URL is an address and no name."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet; IPv4 inside IPv6 is judged as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast
