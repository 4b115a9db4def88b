"""Listening and dialing: who is let in, who is shed, and what is told to who cannot."""

# ruff: noqa: ASYNC240 - the files are on this disk, and nobody else waits for the loop

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actorpar.channels import env
from actorpar.nodes import address as addresses
from actorpar.nodes import dial as dialing
from actorpar.nodes import listener as listeners
from actorpar.nodes.dial import dial
from actorpar.nodes.errors import BindRefused, InvalidAddress, Unreachable
from actorpar.nodes.listener import Listener, listen
from actorpar.nodes.stream import Stream
from tests.nodes.loops import on_both_loops
from tests.nodes.test_stream import Sink, contexts


class Greeting:
    """A handshake that ends when the test says so."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.sink = Sink()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stream.start(self.sink)


class Keys:
    """Credentials of the test."""

    def __init__(self) -> None:
        self.server, self.client = contexts()

    def server_context(self) -> Any:
        return self.server

    def client_context(self) -> Any:
        return self.client


class House:
    """A listener, and who came in."""

    def __init__(self) -> None:
        self.guests: list[Greeting] = []
        self.came = asyncio.Event()
        self.listener: Listener

    @property
    def where(self) -> addresses.Address:
        return self.listener.address

    def accepted(self, stream: Stream) -> Greeting:
        self.guests.append(Greeting(stream))
        self.came.set()
        return self.guests[-1]

    async def guest(self, number: int) -> Greeting:
        while len(self.guests) <= number:
            self.came.clear()
            await self.came.wait()
        return self.guests[number]


@contextlib.asynccontextmanager
async def house(where: str = "tcp://127.0.0.1:0", credentials: Keys | None = None) -> AsyncIterator[House]:
    made = House()
    made.listener = await listen(addresses.parse(where), made.accepted, credentials)
    try:
        yield made
    finally:
        made.listener.close()
        for guest in made.guests:
            guest.stream.close()


async def raw(where: addresses.Address) -> socket.socket:
    """Somebody connects and says nothing."""
    sock = socket.socket(socket.AF_UNIX if where.is_unix else socket.AF_INET)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, where.path or (where.host, where.port))
    return sock


async def is_shed(sock: socket.socket) -> bool:
    """Closed by the listener; waits until it is."""
    with sock:
        try:
            return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
        except ConnectionResetError:
            return True


def local(tmp_path: Path, name: str = "node.sock") -> str:
    tmp_path.chmod(0o700)
    return f"unix:{tmp_path}/{name}"


# -- who is let in


@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
@on_both_loops
async def test_who_dials_is_accepted_and_bytes_go_both_ways(kind: str, tmp_path: Path) -> None:
    keys = Keys() if kind == "tls" else None
    async with house(local(tmp_path) if kind == "unix" else "tcp://127.0.0.1:0", keys) as home:
        assert home.where.is_unix or home.where.port
        stream, sink = await dial(home.where, keys), Sink()
        stream.start(sink)
        stream.write([b"hello"])
        guest = await home.guest(0)
        await guest.sink.until(lambda sink: sink.data == b"hello")
        guest.stream.write([b"welcome"])
        await sink.until(lambda sink: sink.data == b"welcome")
        assert (stream.tls is None) == (kind != "tls")
        stream.close()
        await guest.sink.until(lambda sink: sink.ends)


async def test_net31_an_address_beyond_this_host_is_refused_without_a_key() -> None:
    for where in ("tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://10.0.0.1:0", "tcp://example.invalid:0"):
        with pytest.raises(BindRefused, match="actorpar key new"):
            await listen(addresses.parse(where), print, None)


async def test_net31_a_localhost_that_is_another_host_is_refused_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def elsewhere(_: addresses.Address) -> list[addresses.Target]:
        return [(socket.AF_INET, ("0.0.0.0", 0))]

    monkeypatch.setattr(listeners, "resolve", elsewhere)
    with pytest.raises(BindRefused, match=r"tcp://localhost:0, which is 0\.0\.0\.0, can be reached from other hosts"):
        await listen(addresses.parse("tcp://localhost:0"), print, None)


@pytest.mark.parametrize("side", [listeners, dialing])
async def test_a_unix_peer_of_another_user_is_turned_away(
    side: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(_: socket.socket) -> None:
        raise PermissionError("the other end of the socket belongs to user 4711")

    monkeypatch.setattr(side, "check_owner", strange)
    async with house(local(tmp_path)) as home:
        if side is dialing:
            with pytest.raises(Unreachable, match="user 4711"):
                await dial(home.where)
        else:
            assert await is_shed(await raw(home.where))
            assert (home.guests, home.listener.shed) == ([], 1)


@on_both_loops
async def test_a_connection_that_nobody_can_greet_is_closed_and_counts_no_more() -> None:
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fails(_: Stream) -> Any:
        raise RuntimeError("cannot greet")

    async with house() as home:
        home.listener._accepted = fails
        assert await is_shed(await raw(home.where))
        assert [str(error) for error in errors] == ["cannot greet"]
        assert not home.listener._half_open


# -- the file of a Unix socket


async def test_a_unix_socket_gets_a_directory_of_its_user_alone_and_is_removed_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    async with house(f"unix:{folder}/node.sock"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (folder / "node.sock").is_socket()
    assert list(folder.iterdir()) == []


async def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(BindRefused, match="chmod 700"):
        await listen(addresses.parse(f"unix:{tmp_path}/node.sock"), print, None)


async def test_a_socket_that_a_dead_node_left_is_replaced(tmp_path: Path) -> None:
    where = local(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(where.removeprefix("unix:"))
    async with house(where) as home:
        (await dial(home.where)).close()


@pytest.mark.parametrize("full", [False, True])
async def test_a_socket_at_which_a_node_listens_is_refused_and_stays(tmp_path: Path, full: bool) -> None:
    where = addresses.parse(local(tmp_path))
    with socket.socket(socket.AF_UNIX) as other, contextlib.ExitStack() as waiting:
        other.bind(where.path)
        other.listen(0)
        if full:
            waiting.enter_context(await raw(where))
        with pytest.raises(BindRefused, match="another node listens there"):
            await listen(where, print, None)
        assert Path(where.path).is_socket()


async def test_a_file_that_is_no_socket_is_refused_and_stays(tmp_path: Path) -> None:
    where = addresses.parse(local(tmp_path))
    Path(where.path).write_text("precious")
    with pytest.raises(BindRefused, match="no socket"):
        await listen(where, print, None)
    assert Path(where.path).read_text() == "precious"


async def test_a_link_is_refused_and_stays_even_if_it_leads_to_a_socket_that_a_dead_node_left(tmp_path: Path) -> None:
    where = addresses.parse(local(tmp_path))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left")
    Path(where.path).symlink_to(tmp_path / "left")
    with pytest.raises(BindRefused, match="no socket"):
        await listen(where, print, None)
    assert Path(where.path).is_symlink()


async def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    where = local(tmp_path)
    async with house(where) as old:
        os.rename(old.where.path, tmp_path / "moved")
        async with house(where):
            old.listener.close()
            assert Path(old.where.path).is_socket()


# -- addresses that cannot be had


async def test_a_port_in_use_is_refused_by_name() -> None:
    async with house() as home:
        with pytest.raises(BindRefused, match="Address already in use"):
            await listen(home.where, print, None)


async def test_who_cannot_be_reached_is_a_named_error(tmp_path: Path) -> None:
    async with house() as home:
        gone = home.where
    with pytest.raises(Unreachable, match=rf"no node can be reached at {gone}: .*refused|Connect"):
        await dial(gone)
    with pytest.raises(Unreachable, match="No such file"):
        await dial(addresses.parse(local(tmp_path)))
    with pytest.raises(InvalidAddress):
        await dial(addresses.parse(f"tcp://{'a' * 64}:1"))


@pytest.mark.parametrize("refused", [True, False])
@on_both_loops
async def test_every_place_of_a_name_is_tried(refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as home:
        first = (socket.AF_INET, ("127.0.0.2", 1) if refused else ("127.0.0.2", home.where.port))

        async def two(_: addresses.Address) -> list[addresses.Target]:
            return [first, (socket.AF_INET, ("127.0.0.1", home.where.port))]

        monkeypatch.setattr(dialing, "resolve", two)
        if not refused:  # it is silent, and may take its share of the time only
            monkeypatch.setattr(dialing, "CONNECT", 0.3)
            connect = dialing._connect

            async def silent(target: addresses.Target) -> socket.socket:
                if target == first:
                    await asyncio.get_running_loop().create_future()
                return await connect(target)

            monkeypatch.setattr(dialing, "_connect", silent)
        (await dial(addresses.parse("tcp://somewhere:1"))).close()


@on_both_loops
async def test_who_does_not_answer_is_unreachable_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: addresses.Target) -> socket.socket:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr(dialing, "_connect", silent)
    monkeypatch.setattr(dialing, "CONNECT", 0.01)
    with pytest.raises(Unreachable, match="no answer"):
        await dial(addresses.parse("tcp://127.0.0.1:1"))


@on_both_loops
async def test_a_unix_node_with_a_full_backlog_is_asked_again_until_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = addresses.parse(local(tmp_path))
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(where.path)
        busy.listen(0)
        busy.setblocking(False)
        with await raw(where):
            pauses = []

            async def pause(seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == 3:
                    busy.accept()[0].close()
                await asyncio.sleep(0)

            monkeypatch.setattr(env, "sleep", pause)
            (await dial(where)).close()
            assert len(pauses) == 3


# -- too many


@on_both_loops
async def test_a11_of_too_many_half_open_connections_the_newest_is_shed_with_one_line_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listeners, "HALF_OPEN", 2)
    now = [100.0]
    monkeypatch.setattr(env, "clock", lambda: now[0])
    async with house() as home:
        kept = [await raw(home.where), await raw(home.where)]
        guest = await home.guest(1)
        for _ in range(3):
            assert await is_shed(await raw(home.where))
        now[0] += 1
        assert await is_shed(await raw(home.where))
        assert (home.listener.shed, len(home.guests)) == (4, 2)
        assert [record.getMessage() for record in caplog.records] == [
            f"{home.where}: a connection was closed, {n} by now: 2 handshakes are under way, 2 with it" for n in (1, 4)
        ]
        guest.over.set_result(None)
        await asyncio.sleep(0)
        kept.append(await raw(home.where))
        await home.guest(2)
        for sock in kept:
            sock.close()


@on_both_loops
async def test_a11_one_other_host_has_its_share_and_this_host_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "PER_SOURCE", 1)
    async with house() as home:
        async with contextlib.AsyncExitStack() as stack:
            for number in range(3):
                stack.enter_context(await raw(home.where))
                await home.guest(number)
            monkeypatch.setattr(listeners, "_host_of", lambda source: "10.0.0.9")
            stack.enter_context(await raw(home.where))
            await home.guest(3)
            assert await is_shed(await raw(home.where))


@pytest.mark.parametrize(
    ("source", "host"),
    [
        *(("", ""), (("127.0.0.1", 5), ""), (("::1", 5, 0, 0), ""), (("10.1.2.3", 5), "10.1.2.3")),
        *((("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"), (("fe80::1%eth0", 5, 0, 2), "fe80::/64")),
    ],
)
def test_a_source_is_a_host_or_its_network_of_ipv6(source: Any, host: str) -> None:
    assert listeners._host_of(source) == host


class Exhausted:
    """The socket of a listener in a process without descriptors, except those that the listener gives up."""

    def __init__(self, sock: socket.socket, listener: Listener, *, error: int = errno.EMFILE) -> None:
        self.sock, self.listener, self.error = sock, listener, error
        self.is_exhausted = True
        self.asked = 0

    def accept(self) -> Any:
        self.asked += 1
        if self.is_exhausted and len(self.listener._reserve) == listeners.RESERVE:
            raise OSError(self.error, os.strerror(self.error))
        return self.sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


@on_both_loops
async def test_a11_without_descriptors_connections_are_shed_by_the_reserve_and_nothing_spins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as home:
        home.listener._socket = poor = Exhausted(home.listener._socket, home.listener)  # type: ignore[assignment]
        for _ in range(3):
            assert await is_shed(await raw(home.where))
        asked = poor.asked
        for _ in range(20):
            await asyncio.sleep(0)
        assert poor.asked == asked
        assert (home.listener.shed, len(home.listener._reserve), home.guests) == (3, listeners.RESERVE, [])
        assert len(caplog.records) == 1
        poor.is_exhausted = False
        with await raw(home.where):
            await home.guest(0)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOBUFS, errno.EPROTO])
@on_both_loops
async def test_a11_where_nothing_can_be_accepted_the_listener_rests_and_recovers(
    error: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listeners, "REST", 0.02)
    monkeypatch.setattr(listeners, "RESERVE", 0)
    async with house() as home:
        home.listener._socket = poor = Exhausted(home.listener._socket, home.listener, error=error)  # type: ignore[assignment]
        with await raw(home.where):
            while poor.asked < 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
            poor.is_exhausted = False
            await home.guest(0)
        assert "no connection can be accepted for 0.02 s" in caplog.records[0].getMessage()


@on_both_loops
async def test_a_listener_that_rests_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "RESERVE", 0)
    async with house() as home:
        home.listener._socket = poor = Exhausted(home.listener._socket, home.listener)  # type: ignore[assignment]
        with await raw(home.where):
            while home.listener._resting is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert poor.asked == 1
            home.listener.close()
            home.listener.close()
            assert home.listener._resting.cancelled()


@on_both_loops
async def test_real_exhaustion_of_descriptors_sheds_and_recovers() -> None:
    async with house() as home:
        dialer = socket.socket()
        dialer.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(each) for each in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
        hogs = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    hogs.append(os.dup(0))
            await asyncio.get_running_loop().sock_connect(dialer, (home.where.host, home.where.port))
            assert await is_shed(dialer)
        finally:
            for hog in hogs:
                os.close(hog)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (home.listener.shed, len(home.listener._reserve), home.guests) == (1, listeners.RESERVE, [])
        with await raw(home.where):
            await home.guest(0)
