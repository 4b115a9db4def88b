"""MPI as the poller sees it: messages that leave, messages that came. The only file that makes MPI calls for links.

Invariants
- No call blocks, and all are made by the thread that has initialised MPI: THREAD_SERIALIZED is enough.
- Packets are received into SLOTS persistent receives that stand in a row; MPI fills them in the order in which it
  matches, so testing the one at the head is enough, and of each rank packets come in the order in which they left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from .packets import HEADER, PACKET

if TYPE_CHECKING:
    from mpi4py import MPI

#: Tags: packets, and the bulks that follow them.
PACKETS: Final = 1
BULKS: Final = 2
#: Receives that stand ready for packets of any rank.
SLOTS: Final = 16


class Pending(Protocol):
    """A message under way."""

    def Test(self) -> bool:  # as mpi4py spells it
        """True once it has left, or has come; it is forgotten then."""


class Cancellable(Pending, Protocol):
    """A message that may never come."""

    def Cancel(self) -> None:
        """Receive it no more, unless it has come; `Test` tells when that is done."""


class Wire:
    """The messages of one rank over one communicator that nobody else uses. Its calls raise MPI.Exception."""

    def __init__(self, comm: MPI.Comm) -> None:
        from mpi4py import MPI

        self._others = comm.Dup()  # for what is received by tag: a packet could be taken for it
        self._others.Set_errhandler(MPI.ERRORS_RETURN)

        self.rank: int = comm.rank
        self.size: int = comm.size
        self._comm = comm
        self._byte = MPI.BYTE
        self._status = MPI.Status()
        self._slots = [memoryview(bytearray(HEADER.size + PACKET)) for _ in range(SLOTS)]
        self._requests = [comm.Recv_init([slot, MPI.BYTE], MPI.ANY_SOURCE, PACKETS) for slot in self._slots]
        self._head = 0
        for request in self._requests:
            request.Start()

    def send(self, rank: int, packet: bytes) -> Pending | None:
        """Send a packet. None: it has left; otherwise it stands in this process, and leaves while that is polled."""
        request = self._comm.Isend((packet, self._byte), rank, PACKETS)
        return None if request.Test() else request

    def send_bulk(self, rank: int, data: Any) -> Pending | None:
        """Send a buffer as it stands, which must stay as it is meanwhile; None: it has left."""
        request = self._comm.Isend((data, self._byte), rank, BULKS)
        return None if request.Test() else request

    def receive_bulk(self, rank: int, into: memoryview) -> Pending:
        """Receive the next bulk of that rank."""
        return self._comm.Irecv((into, self._byte), rank, BULKS)

    def send_by_tag(self, rank: int, tag: int, data: Any) -> Pending:
        """Send a buffer as it stands to who receives it by its tag."""
        return self._others.Isend((data, self._byte), rank, tag)

    def receive_by_tag(self, rank: int, tag: int, into: Any) -> Cancellable:
        """Receive the next buffer of that rank and tag."""
        return self._others.Irecv((into, self._byte), rank, tag)

    def take(self) -> tuple[int, memoryview] | None:
        """The next packet that came, and the rank that has sent it; it is valid until `taken`. None: none is here."""
        status = self._status
        if not self._requests[self._head].Test(status):
            return None
        return status.source, self._slots[self._head][: status.Get_count(self._byte)]

    def taken(self) -> None:
        """The packet was read: its memory is used again."""
        self._requests[self._head].Start()
        self._head = (self._head + 1) % SLOTS

    def barrier(self) -> Pending:
        """What is done once every rank has called this."""
        return self._comm.Ibarrier()

    def close(self) -> None:
        """Give up the receives that stand ready.

        The communicator of messages by tag is left to MPI's end: of a team that broke, messages may stand in it that
        nobody receives, and MPICH frees none with such.
        """
        for request in self._requests:
            request.Cancel()
            request.Wait()
            request.Free()
