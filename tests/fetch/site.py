"""A web server on loopback that keeps to a script, faults and all, and remembers what it was asked.

It speaks HTTP/1.1 over raw streams because a good server library refuses most of what is needed here: to cut a body
short, to lie about its length, to reset a connection. It runs on the test's own event loop; the program under test
runs in another process.

A path has a list of answers: the k-th GET of the path gets the k-th, and the last one serves for good.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn

Answer = Callable[["Exchange"], Awaitable[None]]

REASONS = {200: "OK", 206: "Partial Content", 404: "Not Found", 416: "Range Not Satisfiable"}
#: A closed socket with this option sends RST in place of FIN: the peer sees "connection reset".
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Request:
    """One request as it came: method, target as sent, headers in lower case, and when it was received."""

    method: str
    target: str
    headers: dict[str, str]
    at: float = field(default_factory=time.perf_counter)

    @property
    def path(self) -> str:
        """The target without its query; without scheme and host, too, when it came through a proxy."""
        return re.sub(r"^https?://[^/]*", "", self.target).partition("?")[0]

    @property
    def range(self) -> tuple[int, int | None] | None:
        """(first byte, last byte or None) of `Range: bytes=first-last`, None where the whole file was asked for."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        return (int(match[1]), int(match[2]) if match[2] else None) if match else None


class Hangup(Exception):
    """Raised by an answer that wants the connection closed after what it has written."""


@dataclass(eq=False)
class Line:
    """A connection, and the request on it, if any."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: Request | None = None

    @property
    def open(self) -> bool:
        """Has the peer neither closed nor reset it? True at once, although our answer may still be on its way."""
        return not self.reader.at_eof() and self.reader.exception() is None


class Exchange:
    """One request and the means to answer it, well or badly."""

    def __init__(self, site: Site, request: Request, line: Line) -> None:
        self.site = site
        self.request = request
        self._writer = line.writer

    async def head(self, status: int, headers: Mapping[str, object]) -> None:
        """Send the status line and exactly these headers."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
        await self.write("\r\n".join([*lines, "", ""]).encode("utf-8"))

    async def write(self, data: bytes | memoryview) -> None:
        """Send bytes of the body; waits while the peer does not read."""
        self._writer.write(data)
        began = time.perf_counter()
        await self._writer.drain()
        self.site.stalled += time.perf_counter() - began
        self.site.sent += len(data)

    def reset(self) -> NoReturn:
        """Abort the connection with a TCP reset, and note it, unless the peer has closed it already."""
        if self._writer.transport.is_closing():
            raise Hangup
        self.happened("reset")
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._writer.transport.abort()
        raise Hangup

    def happened(self, fault: str) -> None:
        """Note that this exchange really misbehaved, so that a test cannot pass without it."""
        self.site.faults[fault] += 1
        self.site.changed()


class Site:
    """The server. Use as `async with Site() as site`; `site.url("/a")`, `site.serve("/a", answer, …)`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: collections.Counter[str] = collections.Counter()
        self.sent = 0
        self.stalled = 0.0
        self.accepted = 0
        self.peak_busy: collections.Counter[str] = collections.Counter()
        self.peak_busy_in_all = 0
        self._lines: set[Line] = set()
        self._answers: dict[str, collections.deque[Answer]] = {}
        self._otherwise: Answer | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Site:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0, limit=1 << 20)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path of this site."""
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, *answers: Answer) -> str:
        """Give `path` these answers, in turn, the last for good; returns its address."""
        self._answers[path] = collections.deque(answers)
        return self.url(path)

    def serve_everything(self, answer: Answer) -> None:
        """Answer every path that has no answers of its own."""
        self._otherwise = answer

    def gets(self, path: str | None = None) -> list[Request]:
        """The GET requests so far, of one path or of all."""
        return [r for r in self.requests if r.method == "GET" and path in (None, r.path)]

    def busy(self) -> list[Request]:
        """The requests whose answers are on their way to somebody who still listens."""
        return [line.request for line in self._lines if line.request is not None and line.open]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is asked again after every request, answer and fault."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def changed(self) -> None:
        """Let `until` look again."""
        self._changed.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        writer.transport.set_write_buffer_limits(high=0)  # drain() then waits for the kernel: what is counted was sent
        line = Line(reader, writer)
        self._lines.add(line)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, Hangup, asyncio.CancelledError):
                while True:
                    await self._answer_one(_parse(await reader.readuntil(b"\r\n\r\n")), line)
        finally:
            self._lines.discard(line)
            self._tasks.discard(task)
            writer.close()

    async def _answer_one(self, request: Request, line: Line) -> None:
        line.request = request
        self.requests.append(request)
        self._measure()
        self.changed()
        try:
            await self._choose(request)(Exchange(self, request, line))
        finally:
            line.request = None
            self.changed()

    def _measure(self) -> None:
        hosts = collections.Counter(request.headers.get("host", "") for request in self.busy())
        self.peak_busy |= hosts
        self.peak_busy_in_all = max(self.peak_busy_in_all, hosts.total())

    def _choose(self, request: Request) -> Answer:
        answers = self._answers.get(request.path)
        if answers is None:
            return self._otherwise or not_found
        if request.method != "GET":
            return answers[-1]
        return answers.popleft() if len(answers) > 1 else answers[0]


async def not_found(exchange: Exchange) -> None:
    """404, as for any path nobody serves."""
    await exchange.head(404, {"Content-Length": 0})


def _parse(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    return Request(method, target, {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)})
