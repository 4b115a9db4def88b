"""Node addresses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.nodes.address import LONGEST_PATH, Address, parse, resolve
from actorpar.nodes.errors import InvalidAddress, Unreachable


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/a.sock", Address(path="/run/a.sock")),
        ("unix:/a path:1", Address(path="/a path:1")),
        ("tcp://10.0.0.1:80", Address(host="10.0.0.1", port=80)),
        ("tcp://localhost:0", Address(host="localhost")),
        ("tcp://node-1.example:65535", Address(host="node-1.example", port=65535)),
        ("tcp://[::1]:7", Address(host="::1", port=7)),
        ("tcp://[fe80::1%eth0]:7", Address(host="fe80::1%eth0", port=7)),
    ],
)
def test_an_address_prints_as_it_was_written(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "tcp://", "tcp://h", "tcp://:1", "tcp://h:", "tcp://h:x", "tcp://h:65536", "tcp://h:-1", "tcp://h:1/x"),
        *(
            "http://h:1",
            "h:1",
            "tcp://u:p@h:1",
            "tcp://h:1?x",
            "tcp://h:1#x",
            "tcp://h\n:1",
            "tcp://h :1",
            "tcp://h:1\n",
        ),
        *("tcp://::1:80", "tcp://[::1]", "tcp://[x]:1", "tcp://[1.2.3.4]:1", "tcp://h:\u0661"),
        *("unix:", "unix:a", "unix:./a", "unix:/a\0b", "unix:/" + "a" * LONGEST_PATH, "unix:/" + "ä" * 60),
    ],
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse(text)


@given(st.text())
def test_any_text_is_an_address_that_prints_and_parses_or_is_refused(text: str) -> None:
    for prefix in ("", "unix:/", "tcp://"):
        try:
            address = parse(prefix + text)
        except InvalidAddress:
            continue
        assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        *(("unix:/a", True), ("tcp://localhost:1", True), ("tcp://127.0.0.1:1", True), ("tcp://127.9.9.9:1", True)),
        *(("tcp://[::1]:1", True), ("tcp://0.0.0.0:1", False), ("tcp://[::]:1", False), ("tcp://10.0.0.1:1", False)),
        *(("tcp://example.org:1", False), ("tcp://127.0.0.1.example.org:1", False), ("tcp://0:1", False)),
        *(("tcp://[::ffff:10.0.0.1]:1", False), ("tcp://localhost.example.org:1", False)),
    ],
)
def test_an_address_is_loopback_only_if_that_is_certain(text: str, is_loopback: bool) -> None:
    assert parse(text).is_loopback is is_loopback


async def test_an_address_of_numbers_resolves_to_itself() -> None:
    assert await resolve(parse("tcp://127.0.0.1:80")) == [(socket.AF_INET, ("127.0.0.1", 80))]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), InvalidAddress),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), Unreachable),
        (UnicodeError("label too long"), InvalidAddress),
    ],
)
async def test_a_host_that_does_not_resolve_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    with pytest.raises(told, match=r"tcp://far:1 .*resolve") as raised:
        await resolve(parse("tcp://far:1"))
    assert raised.value.__cause__ is error
