"""Requests: one GET or HEAD with its redirects, policy and credentials; failures come out typed.

aiohttp does the HTTP. Redirects are followed here, because each hop is judged: its scheme, its address and which
credentials it may see.
"""

from __future__ import annotations

import asyncio
import base64
import netrc
import os
from types import TracebackType
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from actorpar.channels import env

from .addresses import PrivateAddress, Resolver, is_public, literal_address
from .errors import (
    AccessDenied,
    ConnectFailure,
    ConnectTimeout,
    FetchError,
    InvalidUrl,
    NameResolution,
    NetworkFailure,
    ProtocolViolation,
    RedirectRefused,
    ShortBody,
    Timeout,
    UnknownScheme,
)
from .lists import PLAIN_URL, SCHEMES, check_url
from .options import Options
from .pool import Pool
from .retry import failure_of_status, parse_retry_after

READ_BUFFER = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE = frozenset("!$&'()*+,;=:@/?-._~%[]0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Client:
    """An HTTP client for the time of an `async with`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._resolver = Resolver()
        self._passwords = _read_netrc() if options.netrc else None
        self._proxies = {} if options.proxy else getproxies()
        self._first_headers = dict(options.headers)  # for the hosts of the given URLs only
        self._own_authorization = any(name.lower() == "authorization" for name, _ in options.headers)

    async def __aenter__(self) -> Client:
        jar = aiohttp.CookieJar()
        self._direct = self._session(self._resolver, jar)
        self._guarded = self._session(Resolver(public_only=True), jar)
        return self

    async def __aexit__(self, *exc_info: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._direct.close()
        await self._guarded.close()

    async def open(
        self, address: str, *, span: tuple[int, int] | None = None, if_range: str | None = None, method: str = "GET"
    ) -> ClientResponse:
        """The answer to a request, headers read and body not yet; raises FetchError.

        `span` asks for the bytes from the first up to before the second; `if_range` only of that version of the file.
        The status is 2xx, or 416 where a span was asked for. The caller releases or closes the answer.
        """
        headers = dict(self._first_headers)
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
            if if_range is not None:
                headers["If-Range"] = if_range
        first = url = _url(address)
        session = self._direct
        for _ in range(self._options.max_redirects + 1):
            answer = await self._request(session, method, url, headers)
            if answer.status not in _REDIRECTS:
                return self._judged(answer, asked_span=span is not None)
            target = answer.headers.get("Location", "")
            answer.release()
            if session is self._direct and not self._options.allow_private and self._is_public(url):
                session = self._guarded
            url = self._redirected(url, target, guarded=session is self._guarded)
            if url.origin() != first.origin():
                for name in self._first_headers:
                    headers.pop(name, None)
        raise RedirectRefused(f"more than {self._options.max_redirects} redirects; the last one to {url}")

    def _session(self, resolver: Resolver, jar: aiohttp.CookieJar) -> ClientSession:
        connector = Pool(self._options.connections, resolver)
        session = ClientSession(
            connector=connector,
            cookie_jar=jar,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            headers={"Accept-Encoding": "identity", "Accept": "*/*", "User-Agent": "actorpar-fetch"},
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._options.connect_timeout, sock_read=self._options.timeout
            ),
        )
        session._retry_connection = False  # --tries counts requests; aiohttp would send every failed one twice
        return session

    async def _request(self, session: ClientSession, method: str, url: URL, headers: dict[str, str]) -> ClientResponse:
        proxy = self._options.proxy or (self._environment_proxy(url) if self._proxies else None)
        password = self._password(url) if self._passwords is not None else None
        if password is not None:
            headers = {**headers, "Authorization": password}
        try:
            return await session.request(method, url, headers=headers, allow_redirects=False, proxy=proxy)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise failure_of_exception(error, url.host or "") from error

    def _judged(self, answer: ClientResponse, *, asked_span: bool) -> ClientResponse:
        if answer.status == 200 or (answer.status in (206, 416) and asked_span):
            return answer
        retry_after = parse_retry_after(answer.headers.get("Retry-After"), env.wall_clock())
        answer.release()
        raise failure_of_status(answer.status, answer.reason or "", retry_after)

    def _is_public(self, url: URL) -> bool:
        return self._resolver.knows_public(url.host or "")

    def _redirected(self, url: URL, target: str, *, guarded: bool) -> URL:
        if not target:
            raise ProtocolViolation(f"a redirect of {url} without a Location")
        try:
            address = check_url(urljoin(str(url), target.replace(" ", "%20")))
        except UnknownScheme as error:
            raise RedirectRefused(f"redirect refused: {error}") from None
        except (InvalidUrl, ValueError) as error:
            raise ProtocolViolation(f"a redirect of {url} to {target[:200]!r}: {error}") from None
        following = _url(address)
        assert following.scheme in SCHEMES
        host = following.host or ""
        if guarded and (host == "localhost" or (literal_address(host) and not is_public(host))):
            raise _private(host)
        return following

    def _password(self, url: URL) -> str | None:
        if self._passwords is None or self._own_authorization or url.user:
            return None
        entry = self._passwords.authenticators(url.host or "")
        if not entry:
            return None
        return "Basic " + base64.b64encode(f"{entry[0] or entry[1]}:{entry[2]}".encode()).decode()

    def _environment_proxy(self, url: URL) -> str | None:
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        return proxy if proxy and not proxy_bypass(url.host or "") else None


def _url(address: str) -> URL:
    """The address byte for byte where it can be sent so: signed URLs do not survive normalization."""
    if PLAIN_URL.fullmatch(address):
        return URL(address, encoded=True)
    try:
        url = URL(address, encoded=_SAFE.issuperset(address))
        _ = url.host
    except ValueError as error:
        raise InvalidUrl(f"{address[:200]!r} is no URL: {error}") from None
    return url


def _read_netrc() -> netrc.netrc | None:
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        return netrc.netrc(path)
    except (OSError, netrc.NetrcParseError):
        return None


def _private(host: str) -> RedirectRefused:
    return RedirectRefused(f"redirect refused: {host} is a private address; allow it with --allow-private")


def failure_of_exception(error: BaseException, host: str) -> FetchError:
    """The typed failure of an exception of aiohttp or of the operating system."""
    if isinstance(error, FetchError):
        return error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        if isinstance(error.os_error, PrivateAddress):
            return _private(host)
        return NameResolution(f"{host} does not resolve: {error.os_error.strerror or error.os_error}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout(f"{host} does not answer (--connect-timeout)")
    if isinstance(error, asyncio.TimeoutError):
        return Timeout(f"{host} sent nothing for too long (--timeout)")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return ConnectFailure(f"no connection to {host}: {error}")
    if isinstance(error, aiohttp.InvalidURL):
        return InvalidUrl(f"{error} is no URL")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        failure = AccessDenied if error.status == 407 else ProtocolViolation
        return failure(f"the proxy answered {error.status} {error.message}", status=error.status)
    if isinstance(error, aiohttp.ClientPayloadError):
        return ShortBody(f"the body ended early: {error}")
    if isinstance(error, aiohttp.ClientResponseError):
        return ProtocolViolation(f"{host} does not speak HTTP as it should: {error.message}")
    return NetworkFailure(f"the connection to {host} broke: {error or type(error).__name__}")
