"""The handshake of a link: HELLO from who dials, WELCOME or REFUSED from who accepts (NET-31).

Each side tells who it is, what it takes, and which frame it expects next; a link is up only after WELCOME. Who accepts
decides, by the facts that it knows of the other node: `judge` is that decision, without any I/O.

Invariants
- Of one node only the newest incarnation has a link, and one that was declared down never comes back (NET-42, NET-43).
- Two nodes have one link: of two that are opened at the same time the one by the greater id stays (NET-30).
- A session is resumed by its id only, and only by the two incarnations that began it (NET-33, NET-36).
- Texts of another node are printable before they reach a log (A16). Magic and version are read first, and by every
  version: whatever else its HELLO says, a node of another one is told so.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

import msgspec

from ..errors import CodecError, HandshakeRefused
from .frame import GREETING

MAGIC: Final = "actorpar"
VERSION: Final = 1
#: What a node may be called; such a name is safe in logs and in certificates.
NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
#: Bytes of an id of a node or a session.
ID: Final = 16


class Described(Protocol):
    """The texts that describe a node."""

    @property
    def name(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


class Hello(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """What a node says of itself."""

    magic: str
    version: int
    node: bytes
    name: str
    incarnation: int
    session: bytes
    fresh: bool  # the session begins with this connection
    next_seq: int
    message_limit: int
    addresses: tuple[str, ...]
    host: str
    app: bytes
    labels: tuple[str, ...]
    pid: int
    cores: int


class _Opening(msgspec.Struct, array_like=True):
    """How HELLO begins, in every version."""

    magic: str
    version: int


class Known(msgspec.Struct, frozen=True):
    """What a node knows of another one when it says HELLO. Empty where it knows nothing."""

    incarnation: int = 0
    #: The session with it, while that lives; or the one that this node has offered, while it is `dialing`.
    session: bytes = b""
    #: This node has offered a session, and no handshake of it is over here. Over there one may be: WELCOME can be lost.
    dialing: bool = False
    #: This node still has all frames of the session from `next_seq` of the HELLO on (`Outbound.can_resume`).
    can_resume: bool = True
    #: The incarnations up to this one are down for good.
    down: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """What to do with a HELLO that is not refused."""

    resume: bool
    #: The node's older incarnation is down: this is the proof (NET-42).
    replaces: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_hello = msgspec.msgpack.Decoder(Hello).decode
_decode_opening = msgspec.msgpack.Decoder(_Opening).decode
_decode_refusal = msgspec.msgpack.Decoder(tuple[str, str]).decode

_REASONS: Final = {
    "malformed": "the other side does not speak this protocol",
    "version": "the other side speaks another version of the protocol",
    "app": "the other node runs other code: start all nodes from the same files",
    "fenced": "this incarnation was declared down, and another one has to be started",
    "duplicate": "there is a link between these nodes already",
    "self": "a node does not link to itself",
    "session": "the session is gone",
    "limits": "too many connections",
    "auth": "the other side has no right to connect",
}


def encode(hello: Hello) -> bytes:
    """The body of HELLO and WELCOME. CodecError: this node has more to say than a greeting may hold."""
    body = _encode(hello)
    if len(body) > GREETING:
        raise CodecError(f"a greeting of {len(body)} bytes, and {GREETING} may go: fewer labels or addresses")
    return body


def decode(body: Any) -> Hello:
    """What HELLO or WELCOME says. HandshakeRefused: malformed or version."""
    try:
        opening = _decode_opening(body)
        if opening.magic == MAGIC and opening.version != VERSION:
            raise refused("version")
        hello = _decode_hello(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise refused("malformed") from None
    if hello.magic != MAGIC or len(hello.node) != ID or len(hello.session) != ID or hello.next_seq < 1:
        raise refused("malformed")
    if not is_fit_to_print(hello) or hello.incarnation < 1 or hello.message_limit < 1:
        raise refused("malformed")
    return hello


def is_fit_to_print(node: Described) -> bool:
    """True if the texts that describe a node may reach a log (A16)."""
    return bool(NAME.fullmatch(node.name)) and all(
        text.isprintable() for text in (node.host, *node.addresses, *node.labels)
    )


def refused(code: str) -> HandshakeRefused:
    """The error of a handshake that comes to nothing."""
    return HandshakeRefused(f"no link: {_REASONS.get(code, code)}", code=code)


def encode_refusal(code: str) -> bytes:
    """The body of REFUSED: a code and its meaning, nothing that the other side does not know (NET-31)."""
    return _encode((code, _REASONS.get(code, "")))


def decode_refusal(body: Any) -> HandshakeRefused:
    """What REFUSED says."""
    try:
        code, _ = _decode_refusal(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        code = "malformed"
    return refused(code if code in _REASONS else "malformed")


def judge(mine: Hello, theirs: Hello, known: Known) -> Verdict:
    """Decide on the HELLO of another node. HandshakeRefused with the code that it is told."""
    if theirs.node == mine.node:
        raise refused("self")
    if theirs.app != mine.app:
        raise refused("app")
    if theirs.incarnation <= known.down or theirs.incarnation < known.incarnation:
        raise refused("fenced")
    if theirs.incarnation > known.incarnation > 0:
        if not theirs.fresh or theirs.next_seq != 1:
            raise refused("session")
        return Verdict(resume=False, replaces=True)
    if known.session and theirs.session == known.session:
        # Fresh or not: which side has heard WELCOME says nothing about the session, for WELCOME can be lost.
        if not known.can_resume:
            raise refused("session")  # said long ago: the session has gone on over another connection
        return Verdict(resume=True, replaces=False)
    if not theirs.fresh or theirs.next_seq != 1:
        raise refused("session")
    if known.dialing:
        if theirs.node < mine.node:
            raise refused("duplicate")
    elif known.session:
        raise refused("duplicate")
    return Verdict(resume=False, replaces=False)
