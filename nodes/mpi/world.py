"""MPI in this process: begun, shared with the program's own calls, and ended; what ranks say to all before they link.

Invariants
- Ours is a communicator of our own, so the program's messages and collectives and ours never meet.
- MPI that the program has begun is the program's to end; otherwise this ends it.
- A rank that fails ends the job at once: the others would wait for it for ever, whatever they call (`abort`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from ..errors import MpiError, MpiMissing, WrongLauncher
from .launchers import launch_in, mismatch

if TYPE_CHECKING:
    from mpi4py import MPI

T = TypeVar("T")

_INSTALL: Final = (
    "pip install 'actorpar[mpi]' brings mpi4py and an MPI; on a cluster, pip install mpi4py and load its MPI"
)


class World:
    """The ranks of this job, of which this process is one. Made by `start`, on the thread that makes all MPI calls."""

    def __init__(self, comm: MPI.Comm, *, library: str, ends: bool) -> None:
        self.comm = comm
        self.rank: int = comm.rank
        self.size: int = comm.size
        #: Name and version of the MPI.
        self.library = library
        self._ends = ends
        from mpi4py import MPI

        #: Tags that a message may have, 0 to this less one.
        self.most_tags: int = (MPI.COMM_WORLD.Get_attr(MPI.TAG_UB) or 32767) + 1

    def tell_all(self, mine: T) -> list[T]:
        """What each rank has said, by rank. It waits for all ranks, and is for the start alone."""
        from mpi4py import MPI

        data = msgspec.msgpack.encode(mine)
        told = bytearray(8 * self.size)
        self.comm.Allgather([len(data).to_bytes(8, "little"), MPI.BYTE], [told, MPI.BYTE])
        sizes = [int.from_bytes(told[at : at + 8], "little") for at in range(0, len(told), 8)]
        all_data = bytearray(sum(sizes))
        self.comm.Allgatherv([data, MPI.BYTE], [all_data, sizes, None, MPI.BYTE])
        parts, at = [], 0
        for size in sizes:
            parts.append(msgspec.msgpack.decode(all_data[at : at + size], type=type(mine)))
            at += size
        return parts

    def abort(self, code: int) -> None:
        """End all ranks now. It does not return; what was printed is shown."""
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            self.comm.Abort(code)
        finally:
            os._exit(code)

    def end(self) -> None:
        """End MPI, once all ranks have come to their end; not if the program has begun it."""
        from mpi4py import MPI

        if self._ends and not MPI.Is_finalized():
            self.comm.Free()
            MPI.Finalize()


def start(environment: Mapping[str, str]) -> World:
    """Begin MPI, or take what the program has begun. MpiMissing, WrongLauncher, MpiError."""
    try:
        import mpi4py

        begun = "mpi4py.MPI" in sys.modules
        if not begun:
            mpi4py.rc.thread_level = "serialized"
            mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter from mpi4py's wheel, if there is no library
        raise MpiMissing(f"MPI cannot be loaded: {error}. {_INSTALL}") from error
    library = " ".join(MPI.Get_library_version().replace("\0", " ").split()[:4]).rstrip(",")
    launch = launch_in(environment)
    if MPI.COMM_WORLD.size == 1 and launch is not None and launch.size != 1:
        raise WrongLauncher(mismatch(launch, library))
    if MPI.Query_thread() < MPI.THREAD_SERIALIZED:
        raise MpiError(
            "MPI was begun with a thread level below MPI_THREAD_SERIALIZED, and others of this process have threads: "
            'set mpi4py.rc.thread_level = "serialized" before mpi4py.MPI is imported'
        )
    comm = MPI.COMM_WORLD.Dup()
    comm.Set_errhandler(MPI.ERRORS_RETURN)
    return World(comm, library=library, ends=not begun)
