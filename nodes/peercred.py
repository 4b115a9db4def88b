"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_UCRED: Final = struct.Struct("3i")


def owner(sock: socket.socket) -> int | None:
    """The user of the process at the other end; None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _UCRED.size))
    return int(uid)


def check_owner(sock: socket.socket) -> None:
    """Raise PermissionError unless the other end belongs to this user."""
    uid = owner(sock)
    if uid is not None and uid != os.getuid():
        raise PermissionError(f"the other end of the socket belongs to user {uid}")
