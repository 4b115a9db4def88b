"""The control socket: whose it is, what it answers, and what is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from actorpar.observe import control, sockets
from actorpar.observe.client import Client
from actorpar.observe.control import Control
from tests.actors.staff import PlainDesk

ROOT = Path(__file__).resolve().parents[2]


def only_socket(runtime: Path) -> Path:
    (path,) = (runtime / "actorpar").glob("*.sock")
    return path


@asynccontextmanager
async def line(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 26)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(10):
        told: dict[str, Any] = json.loads(await reader.readline())
        return told


@pytest.fixture
def abandoned(runtime: Path) -> Path:
    """The socket of a program that was killed."""
    (runtime / "actorpar").mkdir(mode=0o700)
    program = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] % os.getpid()); s.listen(); "
    )
    program += "os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(runtime / "actorpar" / "%d-gone.sock")], check=False, timeout=60)
    return only_socket(runtime)


# -- where it is


async def test_a_system_has_a_socket_of_its_user_alone_while_it_runs(runtime: Path) -> None:
    async with ap.ActorSystem("web shop/1", control=True):
        path = only_socket(runtime)
        assert path.name == f"{os.getpid()}-web-shop-1.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert sockets.running() == [(path, os.getpid(), "web-shop-1")]
    assert list((runtime / "actorpar").iterdir()) == []


async def test_without_a_runtime_directory_the_folder_carries_the_id_of_the_user(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime / "shared").mkdir()
    async with ap.ActorSystem("one", control=True):
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        async with ap.ActorSystem("two", control=True):
            assert [path.parent.name for path, _, _ in sockets.running()] == [f"actorpar-{os.getuid()}"]
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
            assert [name for _, _, name in sockets.running()] == ["one", "two"]


async def test_systems_of_one_name_in_one_program_have_a_socket_each(runtime: Path) -> None:
    async with ap.ActorSystem(control=True), ap.ActorSystem(control=True), ap.ActorSystem("…", control=True):
        assert [name for _, _, name in sockets.running()] == ["system", "system-2", "system-3"]


async def test_a_path_may_be_chosen(runtime: Path) -> None:
    path = runtime / "here.sock"
    async with ap.ActorSystem("shop", control=path):
        async with Client(path) as client:
            assert (await client.snapshot())["system"] == "shop"
        with pytest.raises(ap.ControlError, match="Address already in use"):
            await ap.ActorSystem(control=str(path)).__aenter__()
        async with Client(path) as client:
            assert (await client.snapshot())["system"] == "shop"
    assert not path.exists()


async def test_there_is_none_unless_it_is_asked_for(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ap.ActorSystem():
        assert sockets.running() == []
    monkeypatch.setenv(control.VARIABLE, "1")
    async with ap.ActorSystem(control=False):
        assert sockets.running() == []
    async with ap.ActorSystem("asked"):
        assert [name for _, _, name in sockets.running()] == ["asked"]
    monkeypatch.setenv(control.VARIABLE, "0")
    async with ap.ActorSystem():
        assert sockets.running() == []


@pytest.mark.parametrize("obstacle", ["open to others", "a link", "a file", "no place"])
async def test_a_folder_in_which_others_could_put_something_is_refused(
    runtime: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = runtime / "actorpar"
    if obstacle == "open to others":
        folder.mkdir(mode=0o700)
        folder.chmod(0o770)
    elif obstacle == "a link":
        (runtime / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(runtime / "elsewhere")
    elif obstacle == "a file":
        folder.touch()
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/self/nowhere")
    system = ap.ActorSystem(control=True)
    with pytest.raises(ap.ControlError, match="actorpar"):
        await system.__aenter__()
    monkeypatch.setenv(control.VARIABLE, "1")
    async with ap.ActorSystem("works all the same"):
        assert "works all the same: no control socket" in caplog.text
    assert sockets.running() == []


async def test_a_path_that_cannot_be_a_socket_is_refused_with_the_reason(runtime: Path) -> None:
    with pytest.raises(ap.ControlError, match="too long for a socket: at most 103 bytes"):
        await ap.ActorSystem(control=runtime / ("x" * 100)).__aenter__()
    (runtime / "taken").write_text("mine")
    with pytest.raises(ap.ControlError, match="taken"):
        await ap.ActorSystem(control=runtime / "taken").__aenter__()
    assert (runtime / "taken").read_text() == "mine"
    with pytest.raises(ap.ControlError, match="No such file"):
        await ap.ActorSystem(control=runtime / "no" / "folder").__aenter__()


async def test_the_socket_of_a_killed_program_is_not_listed_and_is_removed_by_the_next(
    runtime: Path, abandoned: Path
) -> None:
    assert sockets.running() == []
    assert os.listdir(runtime / "actorpar") == [abandoned.name]
    async with ap.ActorSystem("next", control=True):
        assert abandoned.name not in os.listdir(runtime / "actorpar")
        assert [name for _, _, name in sockets.running()] == ["next"]


async def test_a_chosen_path_may_be_one_that_a_killed_program_left(abandoned: Path) -> None:
    async with ap.ActorSystem("next", control=abandoned), Client(abandoned) as client:
        assert (await client.snapshot())["system"] == "next"


async def test_sockets_of_programs_that_run_are_left_alone(abandoned: Path) -> None:
    silent = abandoned.with_name(f"{os.getpid()}-binds.sock")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(silent))  # of this process, which runs; it does not listen yet
        async with ap.ActorSystem("one", control=True), ap.ActorSystem("two", control=True):
            assert len(sockets.running()) == 2
            assert silent.exists()


# -- what it answers


async def test_a_snapshot_is_answered_as_often_as_it_is_asked_for(runtime: Path) -> None:
    async with ap.ActorSystem("shop", control=True) as system, Client(only_socket(runtime)) as client:
        assert (await client.snapshot())["actors"] == []
        await system.spawn(PlainDesk, name="desk")
        assert [row["name"] for row in (await client.snapshot())["actors"]] == ["desk"]
        assert (await client.snapshot())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "question",
    [
        b"snapshot",
        b"",
        b"[]",
        b'{"get": "secrets"}',
        b'{"get": "snapshot", "kill": 1}',
        b"\xff\xfe",
        b"[" * 4000,
        b"1" * 4000,
    ],
    ids=["no JSON", "empty", "a list", "unknown", "more", "no text", "nested", "a number"],
)
async def test_anything_else_is_answered_with_what_may_be_asked(runtime: Path, question: bytes) -> None:
    async with ap.ActorSystem(control=True), line(only_socket(runtime)) as (reader, writer):
        writer.write(question + b'\n{"get": "snapshot"}\n')
        assert '{"get": "snapshot"}' in (await answer(reader))["error"]
        assert "snapshot" in await answer(reader)


async def test_a_question_may_come_in_pieces_and_several_at_once(runtime: Path) -> None:
    async with ap.ActorSystem(control=True), line(only_socket(runtime)) as (reader, writer):
        for piece in (b'{"get": ', b'"snap', b'shot"}\n{"get": "snapshot"}\n{"g', b'et": "snapshot"}\n'):
            writer.write(piece)
            await asyncio.sleep(0)
        assert [list(await answer(reader)) for _ in range(3)] == [["snapshot"]] * 3


async def test_a_question_without_an_end_is_cut_off(runtime: Path) -> None:
    async with ap.ActorSystem(control=True), line(only_socket(runtime)) as (reader, writer):
        writer.write(b"x" * 100_000)
        assert "at most 4096 bytes" in (await answer(reader))["error"]
        async with asyncio.timeout(10):
            try:
                assert await reader.read() == b""
            except ConnectionResetError:  # it hung up with some of the question unread
                pass


async def test_a_client_that_does_not_read_is_not_read_from(runtime: Path) -> None:
    async with ap.ActorSystem(control=True) as system:
        for _ in range(200):
            await system.spawn(PlainDesk)
        opened = system._control
        assert opened is not None
        size = len(json.dumps(system.snapshot()))
        async with line(only_socket(runtime)) as (reader, writer):
            writer.write(b'{"get": "snapshot"}\n' * 300)
            assert "snapshot" in await answer(reader)
            for _ in range(200):
                await asyncio.sleep(0)
            (client,) = opened.clients
            assert client.get_write_buffer_size() < 3 * size + 65_536
            for _ in range(299):
                assert "snapshot" in await answer(reader)


async def test_when_the_system_ends_its_clients_are_told(runtime: Path) -> None:
    system = ap.ActorSystem(control=True)
    await system.__aenter__()
    async with Client(only_socket(runtime)) as client:
        await client.snapshot()
        await system.__aexit__(None, None, None)
        with pytest.raises(ap.ControlError, match=r"ended|broke off"):
            await client.snapshot()


async def test_only_so_many_clients_are_served_at_a_time(runtime: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ap.ActorSystem(control=True):
        path = only_socket(runtime)
        clients = [Client(path) for _ in range(control.CLIENTS)]
        for client in clients:
            await client.__aenter__()
            await client.snapshot()
        async with Client(path) as late:
            with pytest.raises(ap.ControlError):
                await late.snapshot()
        await clients.pop().__aexit__()
        while True:
            async with Client(path) as next_one:
                try:
                    await next_one.snapshot()
                    break
                except ap.ControlError:  # the server has not heard yet that one left
                    await asyncio.sleep(0)
        for client in clients:
            await client.__aexit__()


async def test_a_failing_snapshot_is_an_answer_and_the_system_goes_on(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(system: ap.ActorSystem) -> None:
        raise ValueError("broken")

    async with ap.ActorSystem(control=True), Client(only_socket(runtime)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(control, "snapshot", fail)
            with pytest.raises(ap.ControlError, match="broken"):
                await client.snapshot()
        assert (await client.snapshot())["actors"] == []
    assert "no snapshot could be taken" in caplog.text


async def test_a_program_of_another_version_is_told_apart(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ap.ActorSystem(control=True), Client(only_socket(runtime)) as client:
        monkeypatch.setattr("actorpar.observe.snapshot.FORMAT", 99)
        with pytest.raises(ap.ControlError, match="runs actorpar"):
            await client.snapshot()


# -- who may ask


async def test_nobody_answers_where_no_system_runs(runtime: Path, abandoned: Path) -> None:
    for path in (runtime / "nothing", abandoned):
        with pytest.raises(ap.ControlError, match="nobody answers"):
            await Client(path).__aenter__()


async def test_a_client_of_another_user_is_refused(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda connection: os.geteuid() + 1)
    async with ap.ActorSystem(control=True), Client(only_socket(runtime)) as client:
        with pytest.raises(ap.ControlError):
            await client.snapshot()
    assert "refused a client of user" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
async def test_another_user_is_refused_even_where_the_modes_let_him_in(runtime: Path) -> None:
    program = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
try:
    connection.sendall(b'{"get": "snapshot"}\\n')
    print(len(connection.recv(100)))
except ConnectionError:
    print(0)
"""

    async def as_nobody(path: Path) -> subprocess.CompletedProcess[bytes]:
        command = ["/usr/bin/python3", "-c", program, str(path)]

        def run() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                command, user=65534, group=65534, cwd="/", capture_output=True, timeout=60, check=False
            )

        return await asyncio.to_thread(run)

    async with ap.ActorSystem(control=True):
        path = only_socket(runtime)
        os.chmod(runtime, 0o755)
        assert b"PermissionError" in (await as_nobody(path)).stderr
        path.parent.chmod(0o755)
        path.chmod(0o666)
        assert (await as_nobody(path)).stdout.strip() == b"0"
        path.parent.chmod(0o700)


async def test_the_user_at_the_other_end_is_known() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert sockets.peer_uid(one) == os.geteuid()


async def test_a_control_that_is_closed_twice_leaves_what_came_after_it(runtime: Path) -> None:
    async with ap.ActorSystem() as system:
        first, second = (Control(system, runtime / "a.sock") for _ in range(2))
        await first.open()
        first.close()
        await second.open()
        first.close()
        async with Client(runtime / "a.sock") as client:
            await client.snapshot()
        second.close()
