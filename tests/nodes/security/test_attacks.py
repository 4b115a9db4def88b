"""Attacks at the door, over real sockets: A1 no right to connect, A2 an older TLS, A3 somebody in the middle.

Each stranger tries to link, with a HELLO that would do; the node says no word of its own, counts it, and lives on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

import pytest

from actorpar.nodes.errors import HandshakeRefused
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol import handshake
from actorpar.nodes.security.binding import Credentials, check_name
from tests.nodes.loops import on_both_loops
from tests.nodes.security.credentials import KINDS, Safe, needs_psk, showing, without_certificate

#: What TLS itself says to a stranger: an alert. Nothing of a node is in that.
ALERT = b"\x15"
Stranger = Callable[[Safe], ssl.SSLContext | None]

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")


@contextlib.asynccontextmanager
async def listening(credentials: Credentials, name: str = "alpha") -> AsyncIterator[Node]:
    async with Node(name, credentials=credentials) as node:
        await node.listen("tcp://127.0.0.1:0")
        yield node


def port_of(node: Node) -> int:
    return node.listeners[0].address.port


async def knock(node: Node, context: ssl.SSLContext | None) -> bytes:
    """Dial, say HELLO, and return all that is answered."""
    async with Node("mallory") as mallory:
        hello = frames.frame(frames.HELLO, handshake.encode(mallory.hello(bytes(16), fresh=True)))
    answer = b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(node), ssl=context)
    except OSError:
        return answer
    try:
        writer.write(hello)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    except OSError:
        writer.transport.abort()
    return answer


async def settled(node: Node) -> None:
    """Wait until the node has no handshake under way."""
    while node.greetings:
        await asyncio.wait([greeting.over for greeting in node.greetings])
        await asyncio.sleep(0)


async def refuses(node: Node, context: ssl.SSLContext | None) -> None:
    """The stranger gets nowhere, and is counted; a friend is linked all the same."""
    before = node.counters.total()
    answer = await knock(node, context)
    await settled(node)
    assert answer[:1] in (b"", ALERT)
    assert not node.links
    assert not node.members
    assert node.counters.total() == before + 1


async def welcomes(node: Node, credentials: Credentials, name: str = "beta") -> None:
    async with Node(name, credentials=credentials) as friend:
        link = await friend.connect(node.addresses[0])
        assert link.stream is not None
        assert link.stream.tls is not None
        assert link.stream.tls.version() == "TLSv1.3"


# -- A1

STRANGERS: dict[str, Stranger] = {
    "without TLS": lambda safe: None,
    "without a certificate": lambda safe: without_certificate(),
    "with a certificate of another authority": lambda safe: showing(safe.folder / "theirs/alpha"),
    "with a certificate of another authority, sending the name of ours": lambda safe: _pretending(safe),
}


def _pretending(safe: Safe) -> ssl.SSLContext:
    """The stranger's certificate, with our authority's behind it as if that had signed it."""
    chain = safe.folder / "pretended.pem"
    chain.write_bytes(
        (safe.folder / "theirs/alpha/node.pem").read_bytes() + (safe.folder / "ours/alpha/ca.pem").read_bytes()
    )
    context = without_certificate()
    context.load_cert_chain(chain, safe.folder / "theirs/alpha/node.key")
    return context


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stranger", STRANGERS)
@on_both_loops
async def test_a1_who_has_no_right_to_connect_is_refused(safe: Safe, kind: str, stranger: str) -> None:
    async with listening(safe.of(kind, "alpha")) as node:
        await refuses(node, STRANGERS[stranger](safe))
        await welcomes(node, safe.of(kind, "beta"))


@needs_psk
@on_both_loops
async def test_a1_another_key_is_refused(safe: Safe) -> None:
    async with listening(safe.key()) as node:
        await refuses(node, safe.key("their").client_context())
        await welcomes(node, safe.key())


@needs_psk
@pytest.mark.parametrize("identity", ["", "mallory", "actorpar\n"])
@on_both_loops
async def test_a1_the_right_key_under_another_identity_is_refused(safe: Safe, identity: str) -> None:
    context = without_certificate()
    key = bytes.fromhex((safe.folder / "our.key").read_text())
    context.set_psk_client_callback(lambda hint: (identity, key))  # type: ignore[attr-defined,unused-ignore]
    async with listening(safe.key()) as node:
        await refuses(node, context)


@needs_psk
@on_both_loops
async def test_a1_an_empty_key_is_refused(safe: Safe) -> None:
    """A server whose callback knows no key answers with an empty one, and that must not be a key."""
    context = without_certificate()
    context.set_psk_client_callback(lambda hint: ("mallory", b""))  # type: ignore[attr-defined,unused-ignore]
    async with listening(safe.key()) as node:
        await refuses(node, context)


@needs_psk
@on_both_loops
async def test_a1_a_key_does_not_open_a_node_with_certificates_nor_the_other_way_round(safe: Safe) -> None:
    async with listening(safe.certificates("ours/alpha")) as node:
        await refuses(node, safe.key().client_context())
    async with listening(safe.key()) as node:
        await refuses(node, safe.certificates("ours/alpha").client_context())


# -- A2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2"])
@on_both_loops
async def test_a2_an_older_version_of_tls_is_refused(safe: Safe, kind: str, version: str) -> None:
    context = showing(safe.folder / "ours/beta")
    context.load_verify_locations(safe.folder / "ours/beta/ca.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    async with listening(safe.of(kind, "alpha")) as node:
        await refuses(node, context)
        await welcomes(node, safe.of(kind, "beta"))


@pytest.mark.parametrize("kind", KINDS)
@on_both_loops
async def test_a2_a_node_dials_nobody_who_speaks_an_older_version(safe: Safe, kind: str) -> None:
    context = showing(safe.folder / "ours/alpha", ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    await is_not_believed(safe.of(kind, "beta"), context)


# -- A3


async def is_not_believed(credentials: Credentials, context: ssl.SSLContext | None) -> None:
    """A node that dials a server with this context hears of no link, and has told no word."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if data := await reader.read(4096):
                heard.append(data)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Node("beta", credentials=credentials) as node:
            with pytest.raises(HandshakeRefused):
                await node.connect(f"tcp://127.0.0.1:{port}")
            assert not node.links
    finally:
        server.close()
        await server.wait_closed()
    assert all(b"beta" not in data for data in heard)


IMPOSTORS: dict[str, Stranger] = {
    "without TLS": lambda safe: None,
    "with a certificate of another authority": lambda safe: showing(
        safe.folder / "theirs/alpha", ssl.PROTOCOL_TLS_SERVER
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("impostor", IMPOSTORS)
@on_both_loops
async def test_a3_somebody_in_the_middle_is_not_believed(safe: Safe, kind: str, impostor: str) -> None:
    await is_not_believed(safe.of(kind, "beta"), IMPOSTORS[impostor](safe))


@needs_psk
@on_both_loops
async def test_a3_a_certificate_is_no_substitute_for_the_key(safe: Safe) -> None:
    """TLS 1.3 lets a server leave the offered key aside and show a certificate: any would do for a careless client."""
    await is_not_believed(safe.key(), showing(safe.folder / "ours/alpha", ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize(("name", "allowed"), [("beta", True), ("alpha", False), ("Beta", False), ("bet", False)])
@on_both_loops
async def test_a3_a_node_is_called_as_its_certificate_says(safe: Safe, name: str, allowed: bool) -> None:
    async with connected(safe.certificates("ours/beta"), safe.certificates("ours/alpha")) as (dialing, accepting):
        if allowed:
            check_name(accepting, name)
        else:
            with pytest.raises(HandshakeRefused, match="its certificate is for beta") as refused:
                check_name(accepting, name)
            assert refused.value.code == "auth"
        check_name(dialing, "alpha")


@needs_psk
@on_both_loops
async def test_a3_who_shares_the_key_may_be_called_anything(safe: Safe) -> None:
    async with connected(safe.key(), safe.key()) as (dialing, accepting):
        check_name(dialing, "anything")
        check_name(accepting, "whatever")


def test_a3_without_tls_the_other_side_is_of_this_host() -> None:
    check_name(None, "anything")


@contextlib.asynccontextmanager
async def connected(dials: Credentials, accepts: Credentials) -> AsyncIterator[tuple[ssl.SSLObject, ssl.SSLObject]]:
    """Both sides of a connection whose handshake is over."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        accepted.set_result(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=accepts.server_context())
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=dials.client_context())
    writer.write(b".")
    other = await accepted
    try:
        yield writer.get_extra_info("ssl_object"), other.get_extra_info("ssl_object")
    finally:
        writer.transport.abort()
        other.transport.abort()
        server.close()
        await server.wait_closed()
