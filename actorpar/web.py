"""The few lines that join an actor system to an aiohttp application.

`attach(app)` runs an ActorSystem for as long as the application does; handlers reach it with `system(request)` and ask
actors as anybody else. What an ask raises becomes the status that HTTP has for it, and a client that leaves cancels
its handler, and so withdraws its ask.

The order of the end, which SIGTERM begins under `serve`: /readyz says no; after `notice` nothing is accepted any more;
websockets are closed with 1001; requests under way have `drain` seconds; then the actors stop under the deadline of
their system, and what had to be cancelled or killed is named in the log.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import WSCloseCode
from aiohttp import web as http
from aiohttp.typedefs import Handler
from yarl import URL

from .actors.errors import ActorDead, AskTimeout, MailboxFull, Reject
from .channels import env
from .running import Terminated, run
from .system import ActorSystem

__all__ = ["attach", "close_websocket", "is_same_origin", "open_websocket", "serve", "serving", "system"]

logger = logging.getLogger("actorpar.web")

#: Seconds after which a client is asked to try again, where a mailbox was full or an actor gone.
RETRY_SECONDS: Final = 1
#: Seconds that a websocket has for its closing handshake; then its connection is cut.
CLOSE_SECONDS: Final = 2.0
#: Bytes that the reason of a close frame may have (RFC 6455, 5.5).
REASON_BYTES: Final = 123


class _Joined:
    """What an application holds of its system."""

    def __init__(self, system: ActorSystem, rejects: Mapping[type[Reject], int]) -> None:
        self.system = system
        self.rejects = rejects
        self.state = "starting"
        self.websockets: dict[http.WebSocketResponse, http.Request] = {}

    async def run(self, app: http.Application) -> AsyncIterator[None]:
        """The cleanup context: aiohttp resumes it when all handlers have ended."""
        try:
            async with self.system:
                self.state = "ready"
                yield
                self.state = "draining"
        finally:
            self.state = "stopped"

    async def go_away(self, app: http.Application) -> None:
        """Nothing is accepted any more: tell those who would stay."""
        self.state = "draining"
        closing = [
            close_websocket(request, socket, WSCloseCode.GOING_AWAY, "the server ends")
            for socket, request in self.websockets.items()
        ]
        await asyncio.gather(*closing)


_JOINED: Final = http.AppKey("actorpar.web", _Joined)


def attach(
    app: http.Application,
    system: ActorSystem | None = None,
    *,
    rejects: Mapping[type[Reject], int] | None = None,
) -> None:
    """Run `system` (a new ActorSystem by default) with the application: it starts before the `on_startup` callbacks,
    which spawn what the application needs, and stops when all handlers have ended.

    Errors of asks become answers: MailboxFull and ActorDead 503 with Retry-After, AskTimeout 504, a Reject 400 with
    its text, or the status that `rejects` has for its class or the nearest base. The rest is a 500, as always.

    Adds GET /healthz (200 while the event loop answers), /readyz (200 while the system runs, 503 before and while it
    drains) and /metrics (the counters in Prometheus's text format).
    """
    joined = app[_JOINED] = _Joined(ActorSystem("web") if system is None else system, rejects or {})
    app.cleanup_ctx.append(joined.run)
    app.on_shutdown.append(joined.go_away)
    app.middlewares.append(_answer_errors)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)


def system(owner: http.Request | http.Application) -> ActorSystem:
    """The system of the application, or of the one that a request came to; applications within it share it."""
    return _joined(owner).system


def _joined(owner: http.Request | http.Application) -> _Joined:
    joined = (owner if isinstance(owner, http.Application) else owner.config_dict).get(_JOINED)
    if joined is None:
        raise LookupError("no actor system belongs to this application: call actorpar.web.attach(app) first")
    return joined


# -- errors and probes


@http.middleware
async def _answer_errors(request: http.Request, handler: Handler) -> http.StreamResponse:
    try:
        return await handler(request)
    except (MailboxFull, ActorDead) as error:
        logger.info("%s %s: 503, %s", request.method, request.path, error)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return http.Response(status=503, text="busy, try again\n", headers=headers)
    except AskTimeout as error:
        logger.warning("%s %s: 504, %s", request.method, request.path, error)
        return http.Response(status=504, text="no answer in time\n")
    except Reject as error:
        return http.Response(status=_status_of(error, _joined(request).rejects), text=f"{error}\n")
    except asyncio.CancelledError:
        if _joined(request).state == "draining" and "Upgrade" not in request.headers:  # a closed websocket's ends so
            logger.warning("%s %s was cancelled while the server drains", request.method, request.path)
        raise


def _status_of(error: Reject, rejects: Mapping[type[Reject], int]) -> int:
    return next((rejects[kind] for kind in type(error).__mro__ if kind in rejects), 400)


async def _healthz(request: http.Request) -> http.Response:
    return http.Response(text="ok\n")


async def _readyz(request: http.Request) -> http.Response:
    state = _joined(request).state
    return http.Response(status=200 if state == "ready" else 503, text=f"{state}\n")


async def _metrics(request: http.Request) -> http.Response:
    from .observe.metrics import exposition

    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return http.Response(body=exposition(system(request)), headers=headers)


# -- websockets


def is_same_origin(request: http.Request) -> bool:
    """True unless a page of another site makes a browser send this request; what is no browser names no origin.

    A proxy in front of the server has to pass on the `Host` that the browser sent.
    """
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


@asynccontextmanager
async def open_websocket(
    request: http.Request, *, max_size: int = 64 * 1024, heartbeat: float | None = 30.0
) -> AsyncIterator[http.WebSocketResponse]:
    """Accept a websocket for the block, which reads it; it is closed when the block is left, and when the server ends.

    Raises HTTPForbidden for a page of another origin, before anything is accepted. A message longer than `max_size`
    closes it with 1009; a peer that answers no ping for `heartbeat` seconds is taken for gone. What the block raises
    becomes a close code: MailboxFull, ActorDead and AskTimeout 1013, a Reject 1008 with its text, the rest 1011 and
    goes on. Return the response from the handler.
    """
    if not is_same_origin(request):
        raise http.HTTPForbidden(text="this websocket is for pages of its own site\n")
    socket = http.WebSocketResponse(max_msg_size=max_size, heartbeat=heartbeat)
    await socket.prepare(request)
    sockets = _joined(request).websockets
    sockets[socket] = request
    code, reason = WSCloseCode.OK, ""
    try:
        yield socket
    except (MailboxFull, ActorDead, AskTimeout) as error:
        code, reason = WSCloseCode.TRY_AGAIN_LATER, str(error)
    except Reject as error:
        code, reason = WSCloseCode.POLICY_VIOLATION, str(error)
    except Exception:
        code, reason = WSCloseCode.INTERNAL_ERROR, "the server failed"
        raise
    finally:
        await close_websocket(request, socket, code, reason)
        sockets.pop(socket, None)


async def close_websocket(request: http.Request, socket: http.WebSocketResponse, code: int, reason: str) -> None:
    """Close a websocket with a code and a reason, which is cut to what a frame holds. Does nothing if it is closed.

    A peer that reads nothing or answers nothing is cut off after 2 s, so this never hangs.
    """
    message = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
    transport = request.transport
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code=code, message=message, drain=False)
            return
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        # aiohttp's writers share one future: where another was cancelled as it waited for a full connection, this one
        # finds that future cancelled, and nobody asked this task to stop
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    finally:
        if transport is not None and socket.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            transport.abort()


# -- serving

_print_now: Final = functools.partial(print, flush=True)  # who starts a server through a pipe waits for this line


@asynccontextmanager
async def serving(
    app: http.Application, *, host: str = "127.0.0.1", port: int = 8080, notice: float = 0.0, drain: float = 10.0
) -> AsyncIterator[str]:
    """Serve the application for the block and give its address; port 0 is a free one. Leaving the block drains.

    notice  seconds for which /readyz says no while everything is served yet, so that a load balancer looks elsewhere
    drain   seconds that requests under way have to end; then their handlers are cancelled

    A client that leaves cancels its handler. Raises what the application's start raised, OSError for an address that
    is taken. A process of the system that fails while nobody awaits it ends the block, as in any ActorSystem.
    """
    # aiohttp waits this long twice: for handlers to end, and again after it has told them that no more will come in
    runner = http.AppRunner(app, handler_cancellation=True, shutdown_timeout=drain / 2)
    try:
        await runner.setup()
        await http.TCPSite(runner, host, port).start()
        yield str(URL.build(scheme="http", host=host, port=runner.addresses[0][1]))
    finally:
        joined = app.get(_JOINED)
        try:
            if joined is not None and joined.state == "ready":
                joined.state = "draining"
                await env.sleep(notice)
        finally:
            await runner.cleanup()


def serve(
    app: http.Application,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    notice: float = 0.0,
    drain: float = 10.0,
    ready: Callable[[str], object] = _print_now,
) -> None:
    """Run the program that serves the application, with `ap.run`; `ready` is called with the address once it accepts.

    Returns when SIGTERM or Ctrl-C has ended it in order (see `serving`): the exit status is 0 unless you say otherwise.
    A second signal kills.
    """

    async def main() -> None:
        async with serving(app, host=host, port=port, notice=notice, drain=drain) as address:
            ready(address)
            await asyncio.get_running_loop().create_future()

    try:
        run(main)
    except (KeyboardInterrupt, Terminated):
        pass
