"""How a rank that sleeps is woken by one of another host: by a datagram of UDP that says which job it is of.

No page of counters is shared between hosts. So who has sent to another host stays awake until that is acknowledged, and
who sleeps has acknowledged all that came. Then only the first packet after silence has to ring, and the poller knows
when that is. A datagram that is lost costs a sleeper the rest of its nap (`poller.REST`).

Invariants
- A bell says nothing but "look": whoever forges one, which takes the secret of the job, wastes a look.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Final

#: Bytes of the secret.
SECRET: Final = 16
#: Datagrams that are read at once.
TURN: Final = 64


def own_address(host: str) -> str:
    """Where this host is reached by others under its own name; loopback if it has none."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
        addresses = [str(each[4][0]) for each in found]
        return next((each for each in addresses if not each.startswith("127.")), addresses[0])
    return "127.0.0.1"


class FarBells:
    """The bells of ranks of other hosts. `address` is where others reach this one; loopback, if there are none.

    `meet` is told the places of all ranks, their addresses and ports by rank, once they are known.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind((address, 0))
        except OSError:  # its own name leads elsewhere
            self._socket.bind(("", 0))
        self.place = address, int(self._socket.getsockname()[1])
        self._secret = b""
        self._places: dict[int, tuple[str, int]] = {}
        self.rung = 0

    def meet(self, secret: str, places: Sequence[tuple[str, int]], ranks: Sequence[int]) -> None:
        """Ring at these ranks from now on."""
        self._secret = bytes.fromhex(secret)[:SECRET]
        self._places = {rank: places[rank] for rank in ranks}

    def __contains__(self, rank: int) -> bool:
        """True for a rank of another host."""
        return rank in self._places

    def fileno(self) -> int:
        """What becomes readable when somebody rings."""
        return self._socket.fileno()

    def ring(self, rank: int) -> None:
        """Wake that rank, if it sleeps."""
        self.rung += 1
        with contextlib.suppress(OSError):
            self._socket.sendto(self._secret, self._places[rank])

    def hear(self) -> bool:
        """Read what came. True: somebody of this job has rung."""
        heard = False
        with contextlib.suppress(OSError):
            for _ in range(TURN):
                heard |= self._socket.recv(SECRET + 1) == self._secret
        return heard

    def forget(self, rank: int) -> None:
        """That rank has ended."""
        self._places.pop(rank, None)

    def close(self) -> None:
        """Ring and hear no more."""
        self._places.clear()
        self._socket.close()
