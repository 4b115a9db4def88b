"""Reading bodies: typed failures, rates, the least rate, and the meter that progress looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import StreamReader

from actorpar.channels import env

from .client import failure_of_exception
from .errors import FetchError, TooSlow
from .limits import SlowWatch, TokenBucket

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .options import Options

_REMEMBERED_HOSTS = 4096


class Meter:
    """Figures of the run so far, for progress and the report."""

    def __init__(self) -> None:
        self.received = 0


class Intake:
    """Makes readers that obey the rates of the run."""

    def __init__(self, options: Options, meter: Meter) -> None:
        self._meter = meter
        self._options = options
        self._all = TokenBucket(options.max_rate, env.clock) if options.max_rate else None
        self._hosts: dict[str, TokenBucket] = {}

    def reader(self, answer: ClientResponse, host: str) -> Callable[[], Awaitable[bytes]]:
        """A function that awaits the next bytes of a body, b"" at its end; raises FetchError."""
        options = self._options
        if options.max_rate or options.host_rate or options.min_rate:
            return self._limited(answer, host)
        content, meter = answer.content, self._meter

        async def read() -> bytes:
            try:
                data = await content.readany()
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                data = _rest(content)
                if not data:
                    raise failure_of_exception(error, host) from error
            meter.received += len(data)
            return data

        return read

    def _limited(self, answer: ClientResponse, host: str) -> Callable[[], Awaitable[bytes]]:
        buckets = [bucket for bucket in (self._all, self._bucket_of(host)) if bucket is not None]
        # A tenth of a second of the rate at a time: the stream stays even.
        most = min((int(max(bucket.rate / 10, 1024)) for bucket in buckets), default=256 * 1024)
        watch = SlowWatch(self._options.min_rate) if self._options.min_rate else None
        content, meter = answer.content, self._meter

        async def read() -> bytes:
            begun = env.clock()
            try:
                if watch is not None:
                    async with asyncio.timeout(2 * watch.window):
                        data = await content.read(most)
                else:
                    data = await content.read(most)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                data = _rest(content)
                if not data:
                    raise _slow_or_broken(error, host, watch) from error
            meter.received += len(data)
            if watch is not None and data and watch.too_slow(len(data), env.clock() - begun):
                raise TooSlow(f"{host} brings less than {watch.rate:.0f} bytes per second (--min-rate)")
            if pause := max((bucket.take(len(data)) for bucket in buckets), default=0.0):
                await env.sleep(pause)
            return data

        return read

    def _bucket_of(self, host: str) -> TokenBucket | None:
        if not self._options.host_rate:
            return None
        if host not in self._hosts and len(self._hosts) >= _REMEMBERED_HOSTS:
            self._hosts.pop(next(iter(self._hosts)))
        return self._hosts.setdefault(host, TokenBucket(self._options.host_rate, env.clock))


def _rest(content: StreamReader) -> bytes:
    """What came before a failure. aiohttp's public reads raise as soon as the connection is lost, and would lose it."""
    return content._read_nowait(-1) if content.exception() is not None else b""


def _slow_or_broken(error: BaseException, host: str, watch: SlowWatch | None) -> FetchError:
    silent = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ServerTimeoutError)
    if watch is not None and silent:
        return TooSlow(f"{host} brings less than {watch.rate:.0f} bytes per second (--min-rate)")
    return failure_of_exception(error, host)
