"""How late the loop serves a timer and a socket while two functions keep each other busy over a channel of capacity 64.

The figure is the 99th percentile: of the lateness of a timer of 1 ms, set again each time it fires; and of the round
trip of 64 bytes to an echo server on the loop, from a blocking client in another process. "20 us" is the user code that
the consumer runs for every item. The idle loop is what the machine itself adds.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from .cases import ROOT, Case, Group, on_asyncio
from .measure import Sample, Stopwatch, expect
from .systems import PROCESSES, QUEUE, System

PERIOD = 0.001
CAPACITY = 64

Probe = Callable[[int], Awaitable[list[float]]]


async def timer_lateness(count: int) -> list[float]:
    """How late each of `count` timers of one millisecond fired, in seconds."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    late = list[float]()

    def fired(due: float) -> None:
        late.append(time.perf_counter() - due)
        if len(late) == count:
            done.set_result(None)
        else:
            start()

    def start() -> None:
        loop.call_later(PERIOD, fired, time.perf_counter() + PERIOD)

    start()
    await done
    return late


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def echo_round_trips(count: int) -> list[float]:
    """The round trips that a client in another process sees, in seconds."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Echo, "127.0.0.1", 0)
    async with server:
        client = _start_client(server.sockets[0].getsockname()[1], count)
        try:
            answer, _ = await loop.run_in_executor(None, client.communicate)
        finally:
            client.kill()
            client.wait()
    expect("exit status of the echo client", client.returncode, 0)
    return [float(seconds) for seconds in json.loads(answer)]


def _start_client(port: int, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.bench.echo_client", str(port), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


class _Stop:
    now = False


async def _produce(send: Callable[[int], Awaitable[object]], stop: _Stop) -> None:
    while not stop.now:
        await send(1)
    await send(0)


async def _consume(receive: Callable[[], Awaitable[int]], work: float, total: list[int]) -> None:
    count = 0
    while await receive():
        count += 1
        if work:
            _user_code(work)
    total.append(count)


def _user_code(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def _saturated(system: System, work: float, probe: Probe) -> Case:
    async def body(items: int) -> Sample:
        channel, stop, total = system.open(CAPACITY), _Stop(), list[int]()
        with Stopwatch() as watch:
            load = asyncio.create_task(
                system.together((_produce, channel.send, stop), (_consume, channel.receive, work, total))
            )
            seconds = await probe(items)
            stop.now = True
            await load
        channel.close()
        expect("consumers that ran to their end", len(total), 1)
        expect("probes", len(seconds), items)
        return watch.latency(seconds)

    return Case(system.name, system.on(body))


def _idle(probe: Probe) -> Case:
    async def body(items: int) -> Sample:
        with Stopwatch() as watch:
            seconds = await probe(items)
        return watch.latency(seconds)

    return Case("idle loop", on_asyncio(body))


def groups() -> list[Group]:
    probes: tuple[tuple[str, Any], ...] = (("timer", timer_lateness), ("echo", echo_round_trips))
    return [
        Group(
            f"{name} under load, {micros} us",
            f"p99 of the {name} while two functions saturate the loop, {micros} us of user code per item",
            300,
            (_idle(probe), *(_saturated(system, micros / 1e6, probe) for system in (PROCESSES, QUEUE))),
            unit="ms",
        )
        for name, probe in probes
        for micros in (0, 20)
    ]
