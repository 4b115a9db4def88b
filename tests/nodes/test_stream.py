"""A stream moves bytes: all, in order, without a copy, without a spin, and says once that it is over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from actorpar.nodes import stream as streams
from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.stream import Stream
from tests.nodes.loops import on_both_loops

#: More than any kernel keeps for a socket here.
MUCH = 16 << 20


class Sink:
    """Keeps what comes, `room` bytes at a time; fails at `fails_at` bytes."""

    def __init__(self, *, room: int = 1 << 16, fails_at: int = 1 << 60) -> None:
        self.memory = memoryview(bytearray(room))
        self.data = bytearray()
        self.fails_at = fails_at
        self.turns: list[int] = []
        self.rooms = 0
        self.ends: list[BaseException | None] = []
        self.changed = asyncio.Event()

    def _where(self) -> memoryview:
        return self.memory

    @property
    def buffer(self) -> Callable[[], memoryview]:
        return self._where

    def advance(self, count: int) -> None:
        self.data += self.memory[:count]
        self.changed.set()
        if len(self.data) >= self.fails_at:
            raise ProtocolError("enough")

    def writable(self) -> None:
        self.rooms += 1
        self.changed.set()

    def closed(self, error: BaseException | None) -> None:
        self.ends.append(error)
        self.changed.set()

    async def until(self, holds: Any) -> None:
        while not holds(self):
            self.changed.clear()
            await self.changed.wait()


async def turns_until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until it holds: for what nobody is told."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0)


def pair(kind: str) -> tuple[socket.socket, socket.socket]:
    """Two sockets that are connected."""
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("node").configure_cert(server)
    authority.configure_trust(client)
    client.check_hostname = False
    return server, client


@contextlib.contextmanager
def two(kind: str, one: Sink, other: Sink) -> Iterator[tuple[Stream, Stream]]:
    """Two streams that are connected, over "unix", "tcp" or "tls"."""
    a, b = pair("unix" if kind == "unix" else "tcp")
    server, client = contexts() if kind == "tls" else (None, None)
    left, right = Stream(a, tls=client), Stream(b, tls=server, server=True)
    left.start(one)
    right.start(other)
    try:
        yield left, right
    finally:
        left.close()
        right.close()


kinds = pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])


def pieces() -> list[bytes]:
    """Buffers of all sizes, some empty, more of them than one call takes."""
    sizes = [0, 1, 20, 0, 300, 70_000, 0, 1 << 20, 5, 0]
    found = [bytes([n % 251]) * sizes[n % len(sizes)] for n in range(2 * streams.GATHER)]
    return [*found[:100], bytes(range(256)) * (MUCH // 256), *[each for each in found[100:] if len(each) < 1000], b""]


@kinds
@on_both_loops
async def test_net37_a_gather_that_the_kernel_took_in_part_goes_on_exactly_there(kind: str) -> None:
    one, other = Sink(), Sink(room=100_000)
    with two(kind, one, other) as (left, _):
        await turns_until(lambda: not left._shaking)
        assert not left.write(list(pieces()))
        expected = b"".join(pieces())
        await other.until(lambda sink: len(sink.data) == len(expected))
        assert other.data == expected
        await one.until(lambda sink: sink.rooms)
        assert left.write([b"next"])
        await other.until(lambda sink: sink.data.endswith(b"next"))
        assert one.rooms == 1


@kinds
@on_both_loops
async def test_what_fits_is_written_at_once_and_empty_buffers_are_nothing(kind: str) -> None:
    one, other = Sink(), Sink()
    with two(kind, one, other) as (left, right):
        await turns_until(lambda: not left._shaking)
        assert left.write([b"a", b"", memoryview(b"bc"), bytearray(b"")])
        assert left.write([b""])
        assert left.write([])
        await other.until(lambda sink: sink.data == b"abc")
        await asyncio.sleep(0)
        assert right.write([b"d"])
        await one.until(lambda sink: sink.data == b"d")
        assert one.rooms == 0


@on_both_loops
async def test_bytes_are_received_into_the_memory_of_the_sink() -> None:
    sink = Sink(room=8)
    with two("unix", Sink(), sink) as (left, right):
        left.write([b"12345678abc"])
        await sink.until(lambda sink: len(sink.data) == 11)
        assert bytes(sink.memory) == b"abc45678"
        assert right.received == left.sent == 11


@kinds
@on_both_loops
async def test_one_callback_reads_a_bounded_amount_then_others_have_their_turn(kind: str) -> None:
    one, other = Sink(), Sink(room=1 << 16)
    with two(kind, one, other) as (left, _):
        turns = [0]

        def turn() -> None:
            turns.append(len(other.data))
            asyncio.get_running_loop().call_soon(turn)

        turn()
        left.write([bytes(MUCH)])
        await other.until(lambda sink: len(sink.data) == MUCH)
        largest = max(b - a for a, b in itertools.pairwise(turns))
        assert 0 < largest <= streams.READ_TURN + (1 << 18)


@kinds
@on_both_loops
async def test_the_other_side_closing_is_an_end_without_an_error_told_once(kind: str) -> None:
    one, other = Sink(), Sink()
    with two(kind, one, other) as (left, right):
        left.write([b"last words"])
        await other.until(lambda sink: sink.data)
        right.write([b"yes"])
        await one.until(lambda sink: sink.data)  # unread bytes, tickets of TLS too, would make it a reset
        left.close()
        left.close()
        await other.until(lambda sink: sink.ends)
        assert right.is_closed
        assert right.write([b"x"])
        right.close()
        assert (one.ends, other.ends, bytes(other.data)) == ([None], [None], b"last words")


@on_both_loops
async def test_a_reset_is_told_as_the_error_that_it_is() -> None:
    a, b = pair("tcp")
    sink = Sink()
    stream = Stream(a)
    stream.start(sink)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    await sink.until(lambda sink: sink.ends)
    assert [type(end) for end in sink.ends] == [ConnectionResetError]
    assert stream.is_closed


@on_both_loops
async def test_a_write_to_who_is_gone_is_told_once_and_not_in_the_write() -> None:
    a, b = socket.socketpair()
    sink = Sink()
    stream = Stream(a)
    stream.start(sink)
    b.close()
    assert stream.write([b"x"])
    assert stream.write([b"y"])
    assert sink.ends == []
    await sink.until(lambda sink: sink.ends)
    await asyncio.sleep(0)
    assert len(sink.ends) == 1


@kinds
@on_both_loops
async def test_a_sink_that_finds_the_protocol_broken_closes_the_stream_and_gets_nothing_more(kind: str) -> None:
    one, other = Sink(), Sink(room=10, fails_at=10)
    with two(kind, one, other) as (left, right):
        left.write([b"0123456789abcdef"])
        await other.until(lambda sink: sink.ends)
        assert isinstance(other.ends[0], ProtocolError)
        assert right.is_closed
        assert other.data == b"0123456789"


@kinds
@on_both_loops
async def test_another_sink_gets_what_comes_from_the_moment_it_is_handed_over(kind: str) -> None:
    class First(Sink):
        def advance(self, count: int) -> None:
            super().advance(count)
            streams_of_test[1].hand_over(second)

    first, second = First(room=5), Sink()
    with two(kind, Sink(), first) as streams_of_test:
        streams_of_test[0].write([b"HELLOthe rest"])
        await second.until(lambda sink: sink.data == b"the rest")
        assert first.data == b"HELLO"
        streams_of_test[1].abandon()
        assert first.ends == second.ends == []


# -- TLS


@on_both_loops
async def test_what_is_written_before_the_handshake_of_tls_waits_for_it_and_costs_no_turn() -> None:
    a, b = pair("tcp")
    server, client = contexts()
    sink = Sink()
    left = Stream(a, tls=client)
    left.start(sink)
    assert not left.write([b"HELLO"])
    assert not left._watches  # the socket has room, and would call back for ever
    other = Sink()
    right = Stream(b, tls=server, server=True)
    right.start(other)
    await other.until(lambda sink: sink.data == b"HELLO")
    await sink.until(lambda sink: sink.rooms == 1)
    assert left.tls is not None
    assert left.tls.version() == "TLSv1.3"
    left.close()
    right.close()


@on_both_loops
async def test_a1_a_certificate_of_a_stranger_is_refused_and_both_sides_know() -> None:
    a, b = pair("tcp")
    (server, _), (_, client) = contexts(), contexts()
    one, other = Sink(), Sink()
    Stream(a, tls=client).start(one)
    Stream(b, tls=server, server=True).start(other)
    await one.until(lambda sink: sink.ends)
    await other.until(lambda sink: sink.ends)
    assert isinstance(one.ends[0], ssl.SSLCertVerificationError)
    assert isinstance(other.ends[0], ssl.SSLError)


@on_both_loops
async def test_a1_who_speaks_no_tls_is_closed_and_nothing_is_delivered() -> None:
    a, b = pair("tcp")
    one, other = Sink(), Sink()
    plain = Stream(a)
    plain.start(one)
    Stream(b, tls=contexts()[0], server=True).start(other)
    plain.write([frames.frame(frames.HELLO, b"x" * 100)])
    await other.until(lambda sink: sink.ends)
    assert isinstance(other.ends[0], ssl.SSLError)
    assert other.data == b""
    plain.close()


# -- from the thread of the heartbeat


class Frames:
    """A sink that reads frames."""

    def __init__(self) -> None:
        self.reader = frames.FrameReader()
        self.reader.begin(Inbound())
        self.items: list[int] = []
        self.beats = 0
        self.ends: list[BaseException | None] = []

    @property
    def buffer(self) -> Callable[[], memoryview]:
        return self.reader.buffer

    def advance(self, count: int) -> None:
        for message in self.reader.advance(count):
            if message.kind == frames.HEARTBEAT:
                self.beats += 1
            else:
                assert bytes(message.body) == bytes([message.lane % 251]) * (message.lane % 60_000)
                self.items.append(message.lane)

    def writable(self) -> None:
        pass

    def closed(self, error: BaseException | None) -> None:
        self.ends.append(error)


@kinds
@on_both_loops
async def test_net41_a_beat_from_another_thread_never_stands_inside_a_frame(kind: str) -> None:
    left_sink, right_sink = Frames(), Frames()
    a, b = pair("unix" if kind == "unix" else "tcp")
    server, client = contexts() if kind == "tls" else (None, None)
    left, right = Stream(a, tls=client), Stream(b, tls=server, server=True)
    left.start(left_sink)
    right.start(right_sink)
    await turns_until(lambda: not left._shaking and not right._shaking)
    over = threading.Event()

    def beats() -> None:
        while not over.is_set():
            left.beat(frames.frame(frames.HEARTBEAT, bytes(4)))
            right.beat(frames.frame(frames.HEARTBEAT, bytes(4)))

    thread = threading.Thread(target=beats)
    thread.start()
    try:
        for number in range(1, 400):
            lane = number * 601
            body = bytes([lane % 251]) * (lane % 60_000)
            for each in (left, right):
                each.write([frames.HEADER.pack(len(body), frames.ITEMS, 0, 0, lane, number), body])
            await asyncio.sleep(0)
    finally:
        over.set()
        thread.join()
    await turns_until(lambda: len(left_sink.items) == len(right_sink.items) == 399)
    assert left_sink.items == right_sink.items == [number * 601 for number in range(1, 400)]
    assert left_sink.beats > 0
    assert right_sink.beats > 0
    assert left_sink.ends == right_sink.ends == []
    left.close()
    right.close()


def in_a_thread(function: Any, *arguments: Any) -> None:
    """Run it in another thread while this one, and so its loop, is blocked."""
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()


@on_both_loops
async def test_net41_a_beat_pushes_what_is_kept_before_it_says_a_word_of_its_own() -> None:
    a, b = socket.socketpair()
    stream = Stream(a)
    stream.start(Sink())
    assert not stream.write([bytes(MUCH)])
    b.settimeout(5)
    got = 0
    while got < 100_000:  # the kernel has room again
        got += len(b.recv(1 << 16))
    before = stream.sent
    in_a_thread(stream.beat, b"beat")
    assert stream.sent > before
    assert all(len(kept) > 4 for kept in stream._rest)  # what is not said now would be old when it is
    stream.close()
    while data := b.recv(1 << 20):
        assert data == bytes(len(data))
    b.close()


@on_both_loops
async def test_net41_what_the_kernel_does_not_take_from_a_beat_is_written_by_the_loop() -> None:
    a, b = socket.socketpair()
    sink, other = Sink(), Sink()
    stream = Stream(a)
    stream.start(sink)
    in_a_thread(stream.beat, bytes(MUCH) + b"end of beat")
    right = Stream(b)
    right.start(other)
    await other.until(lambda sink: sink.data.endswith(b"end of beat"))
    assert sink.rooms == 0
    stream.close()
    right.close()


@on_both_loops
async def test_a_beat_to_who_is_gone_closes_the_stream_and_one_to_a_closed_stream_is_nothing() -> None:
    a, b = socket.socketpair()
    sink = Sink()
    stream = Stream(a)
    stream.start(sink)
    b.close()
    in_a_thread(stream.beat, b"beat")
    await sink.until(lambda sink: sink.ends)
    assert len(sink.ends) == 1
    in_a_thread(stream.beat, b"beat")


@on_both_loops
async def test_net34_what_came_before_the_other_side_went_is_read_though_nothing_can_be_written_any_more() -> None:
    near, far = socket.socketpair()
    sink = Sink(room=1000)
    stream = Stream(near)
    stream.start(sink)
    stream.write([b"unread at the other end"])
    far.sendall(bytes(100_000))
    far.close()
    stream.write([b"refused"])  # before the loop looks at what has come
    await sink.until(lambda sink: sink.ends)
    assert len(sink.data) == 100_000
    assert len(sink.ends) == 1
