"""Ranks as nodes: each is linked to each other one, by the route that is best for the two.

By MPI's messages where each rank has a core of its own, and between hosts. Where a host has more ranks than cores, who
spins for a message takes the core of who sends it; there a Unix socket is quicker, with shared memory for large items.

Invariants
- The route of a pair is decided by what both have said to all, so both decide the same; it stays, so order holds.
- Of ranks of one host the end of a process is seen by its descriptor (pidfd). So silence says nothing there: a rank
  whose loop is busy cannot make MPI calls from another thread.
- Supervised ranks make no MPI calls together once they are linked: after a death MPI would refuse them.
- What ranks of one host share lies in a folder that only their user can enter, and goes with the last of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from actorpar.channels import env

from .. import shm
from ..errors import MpiError
from ..protocol.frame import LARGEST_FRAGMENT
from .bell import Bells
from .farbell import FarBells, own_address
from .poller import SPIN, Poller
from .wire import Wire

if TYPE_CHECKING:
    from ..node import Node
    from .world import World

#: Seconds in which a rank that has begun imports the program and says HELLO.
START: Final = 120.0
#: Seconds in which all ranks come to the end, once one has.
END: Final = 10.0

#: How two ranks of one host may be linked.
ROUTES: Final = ("auto", "mpi", "socket")

_FOLDER: Final = re.compile(r"actorpar-mpi-(\d+)-(\d+)-\w+")


class Fact(msgspec.Struct, array_like=True):
    """What a rank says of itself to all."""

    host: str
    process: int
    cores: list[int]


#: The ranks as this process sees them, while it is one.
current: Ranks | None = None


class Ranks:
    """The other ranks as this one sees them. Made on the loop that makes all MPI calls; `link` and `end` wait for all.

    route       of two ranks of one host: "mpi", "socket", or "auto", which is sockets where ranks are more than cores
    supervised  a rank may end before the others, which go on; all are linked by sockets. MpiError: not of one host
    host        what ranks of one host have in common; by default this host's name and its boot
    """

    def __init__(
        self, world: World, node: Node, *, route: str = "auto", supervised: bool = False, host: str = ""
    ) -> None:
        if route not in ROUTES:
            raise MpiError(f"{route!r} is no route of ranks: ACTORPAR_MPI_ROUTE is one of {', '.join(ROUTES)}")
        self.world = world
        self.supervised = supervised
        self._node = node
        mine = Fact(host or f"{node.host} {platform.node()}", os.getpid(), _cores())
        self.facts = world.tell_all(mine)
        #: What all ranks of this job have in common, and no other process.
        self.job = world.tell_all(env.new_id())[0]
        #: The ranks of this host, this one included.
        self.near = [rank for rank, fact in enumerate(self.facts) if fact.host == mine.host]
        #: More ranks than cores are here.
        self.crowded = is_crowded([self.facts[rank] for rank in self.near])
        self._by_socket = supervised or (self.crowded if route == "auto" else route == "socket")
        if supervised and len(self.near) < world.size:
            raise MpiError(
                "--supervised is for ranks of one host: between hosts MPI carries the links, and ends with one"
            )
        self.folder = self._share_folder()
        bells = Bells(self.folder, world.rank, world.size)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(str(self.folder / f"link-{world.rank}"))
        self._listener.listen(world.size)
        world.tell_all(True)  # now each is there to be met
        others = [rank for rank in range(world.size) if rank not in self.near]
        far = FarBells(own_address(platform.node()) if others else "127.0.0.1")
        far.meet(self.job, world.tell_all(far.place), others)
        if not supervised:
            bells.meet([rank for rank in self.near if rank != world.rank])
        wire = Wire(world.alone() if supervised else world.comm)
        self.poller = Poller(wire, bells, far, spin=0.0 if self.crowded else SPIN)
        self.lost: set[int] = set()

    def _share_folder(self) -> Path:
        leads = self.near[0] == self.world.rank
        if leads:
            _sweep(Path(tempfile.gettempdir()))
        made = tempfile.mkdtemp(prefix=f"actorpar-mpi-{os.getuid()}-{os.getpid()}-") if leads else ""
        return Path(self.world.tell_all(made)[self.near[0]])

    @property
    def takes_sockets(self) -> bool:
        """True if some pair of this host is linked by a socket."""
        return self._by_socket and len(self.near) > 1

    def tag(self, number: int) -> int:
        """The tag of a team, of which each has another number."""
        return number % self.world.most_tags

    def by_socket(self, rank: int) -> bool:
        """True if this rank and that one are linked by a socket."""
        return self._by_socket and rank in self.near

    # -- linking

    async def link(self) -> None:
        """Link to all other ranks. HandshakeRefused: another program, or not in START seconds."""
        others = [rank for rank in range(self.world.size) if rank != self.world.rank]
        here = [rank for rank in others if self.by_socket(rank)]
        accepting = self._accept(sum(rank > self.world.rank for rank in here))
        dialing = [self._dial(rank) for rank in here if rank < self.world.rank]
        over_mpi = [self._over_mpi(rank) for rank in others if rank not in here]
        await asyncio.gather(accepting, *dialing, *over_mpi)
        for rank in others:
            if rank in self.near:
                self._watch(rank)
        global current
        current = self

    async def _over_mpi(self, rank: int) -> None:
        """The greater rank says HELLO."""
        stream = self.poller.streams[rank]
        link = await self._node.link_over(stream, dials=rank < self.world.rank, deadline=START)
        link.is_patient = rank in self.near
        link.lending.copies = False
        link.outbound.alone = LARGEST_FRAGMENT  # each is a message of MPI, which copies it as it is received

    async def _accept(self, count: int) -> None:
        """The connections of so many ranks, in the order in which they come."""
        loop = asyncio.get_running_loop()
        socks = [(await loop.sock_accept(self._listener))[0] for _ in range(count)]
        await asyncio.gather(*(self._node.adopt(sock, dials=False) for sock in socks))

    async def _dial(self, rank: int) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, str(self.folder / f"link-{rank}"))
        await self._node.adopt(sock, dials=True)

    def _watch(self, rank: int) -> None:
        """See the end of another process of this host."""
        try:
            process = os.pidfd_open(self.facts[rank].process)
        except ProcessLookupError:
            self._has_ended(rank)
            return
        loop = asyncio.get_running_loop()

        def readable() -> None:
            loop.remove_reader(process)
            os.close(process)
            self._has_ended(rank)

        loop.add_reader(process, readable)

    def _has_ended(self, rank: int) -> None:
        self.lost.add(rank)
        if rank in self.poller.streams:
            self.poller.lost(rank)

    # -- ending

    async def end(self) -> bool:
        """Wait until all ranks have come here, and all that was sent has left. False: some have not, in END seconds.

        The node is closed before. Where a rank was lost there is nothing to wait for together, nor if one may be.
        """
        global current
        current = None
        together = await self.poller.close(0.0 if self.lost else END)
        self._listener.close()
        (self.folder / f"link-{self.world.rank}").unlink(missing_ok=True)
        if self.lost or self.supervised:  # who was lost has left files, and all are linked by sockets that stand
            shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # the last one does it
            self.folder.rmdir()
        return together and not self.supervised


def is_crowded(facts: list[Fact]) -> bool:
    """True if these ranks of one host are more than the cores on which any of them may run.

    A launcher may bind each rank to a core of its own; so what counts is the union.
    """
    return len(facts) > len({core for fact in facts for core in fact.cores})


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _sweep(where: Path) -> None:
    """Remove the folders that jobs of this user have left which were killed."""
    for entry in os.scandir(where):
        found = _FOLDER.fullmatch(entry.name)
        if found and int(found[1]) == os.getuid() and not shm.is_alive(int(found[2])):
            shutil.rmtree(entry.path, ignore_errors=True)
