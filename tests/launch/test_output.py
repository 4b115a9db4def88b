"""What nodes print reaches the controller line by line, with their names, and stops nobody."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from actorpar.launch import output
from actorpar.launch.output import LONGEST, Output


class Pipe:
    """A pipe whose ends are closed at the end of the test; who closes one before says so by -1."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def close(self) -> None:
        for end in (self.read, self.write):
            if end >= 0:
                os.close(end)


@pytest.fixture
def screen() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@asynccontextmanager
async def copying(screen: Pipe, *names: str) -> AsyncIterator[list[int]]:
    """The writing ends of nodes whose output is copied to the screen; they are closed at the end."""
    out = Output()
    ends = []
    for name in names:
        read, write = os.pipe()
        ends.append(write)
        out.add(read, name, screen.write)
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)
        await out.close()


async def shown(screen: Pipe, size: int) -> bytes:
    """So many bytes of the screen."""

    def read() -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(screen.read, size - len(data))
        return data

    async with asyncio.timeout(5):
        return await asyncio.to_thread(read)


async def test_each_line_has_the_name_of_its_node_before_it(screen: Pipe) -> None:
    async with copying(screen, "node-1", "node-2") as (one, other):
        os.write(one, b"first\n\nthird\n")
        expected = b"[node-1] first\n[node-1] \n[node-1] third\n"
        assert await shown(screen, len(expected)) == expected
        os.write(other, "h\u00f6her\n".encode())
        expected = "[node-2] h\u00f6her\n".encode()
        assert await shown(screen, len(expected)) == expected


async def test_a_line_waits_until_it_is_whole(screen: Pipe) -> None:
    async with copying(screen, "node-1", "node-2") as (one, other):
        os.write(one, b"half a ")
        os.write(other, b"whole\n")
        assert await shown(screen, 15) == b"[node-2] whole\n"
        os.write(one, b"line\n")
        assert await shown(screen, 21) == b"[node-1] half a line\n"


async def test_what_was_printed_before_the_end_is_shown_even_half_a_line(screen: Pipe) -> None:
    async with copying(screen, "node-1") as (one,):
        os.write(one, b"whole\nhalf")
    assert os.read(screen.read, LONGEST) == b"[node-1] whole\n[node-1] half\n"


async def test_a_descendant_that_keeps_the_pipe_open_does_not_keep_us(screen: Pipe) -> None:
    out = Output()
    read, write = os.pipe()
    out.add(read, "node-1", screen.write)
    os.write(write, b"last words")
    async with asyncio.timeout(5):
        await out.close()
    assert os.read(screen.read, LONGEST) == b"[node-1] last words\n"
    os.close(write)


async def test_a_line_without_end_is_cut_and_not_kept(screen: Pipe) -> None:
    async with copying(screen, "node-1") as (one,):
        writing = asyncio.create_task(asyncio.to_thread(output.write, one, b"x" * (3 * LONGEST) + b"\n"))
        text = await shown(screen, 3 * LONGEST + len(b"[node-1] \n"))
        await writing
        os.write(one, b"end\n")
        while not text.endswith(b"] end\n"):
            text += await shown(screen, 1)
    lines = text.splitlines()
    assert sum(line.count(b"x") for line in lines) == 3 * LONGEST
    assert max(map(len, lines)) <= 2 * LONGEST + len(b"[node-1] ")
    assert all(line.startswith(b"[node-1] ") for line in lines)


async def test_a_screen_that_takes_nothing_stops_neither_the_loop_nor_loses_a_line(screen: Pipe) -> None:
    wanted = [b"%d" % number for number in range(40_000)]
    async with copying(screen, "node-1") as (one,):
        writing = asyncio.create_task(asyncio.to_thread(output.write, one, b"\n".join(wanted) + b"\n"))
        for _ in range(100):
            await asyncio.sleep(0)  # the loop runs, and nobody has read a byte
        assert not writing.done()  # bounded: the node waits
        size = sum(len(b"[node-1] \n") + len(line) for line in wanted)
        text = await shown(screen, size)
        assert await writing
    assert text.splitlines() == [b"[node-1] " + line for line in wanted]


async def test_a_screen_that_is_closed_does_not_stop_the_nodes(screen: Pipe) -> None:
    async with copying(screen, "node-1") as (one,):
        os.close(screen.read)
        screen.read = -1
        for _ in range(20):
            assert await asyncio.to_thread(output.write, one, b"x\n" * LONGEST)


async def test_of_a_progress_bar_its_last_state_is_shown(screen: Pipe) -> None:
    async with copying(screen, "node-1") as (one,):
        os.write(one, b"\r 10 %\r 20 %\r100 %\r\n")
        assert await shown(screen, 15) == b"[node-1] 100 %\n"


def test_colours_are_for_terminals_whose_user_wants_them(screen: Pipe) -> None:
    controller, terminal = pty.openpty()
    try:
        assert output.is_coloured(terminal, {"TERM": "xterm"})
        assert not output.is_coloured(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
        assert not output.is_coloured(terminal, {"TERM": "dumb"})
        assert not output.is_coloured(screen.write, {"TERM": "xterm"})
    finally:
        os.close(controller)
        os.close(terminal)
    assert output.prefix("node-1", 36) == b"\x1b[36m[node-1]\x1b[0m "


async def test_on_a_terminal_each_node_has_a_colour_for_both_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    controller, terminal = pty.openpty()
    pipes = [Pipe() for _ in range(3)]
    out = Output()
    try:
        for pipe, name in zip(pipes, ("node-1", "node-1", "node-2"), strict=True):
            os.write(pipe.write, b"line\n")
            out.add(pipe.read, name, terminal)
            pipe.read = -1
        await out.close()
        text = os.read(controller, 4096)
    finally:
        for pipe in pipes:
            pipe.close()
        os.close(controller)
        os.close(terminal)
    assert text.count(b"\x1b[36m[node-1]\x1b[0m line") == 2
    assert text.count(b"\x1b[33m[node-2]\x1b[0m line") == 1
