"""Whatever is started without a key listens at loopback addresses and Unix sockets only."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.node import Node
from tests.launch.listening import is_loopback, listeners, needs_ss
from tests.launch.test_launching import APP, _pids, command

pytestmark = needs_ss


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Every system has a control socket."""
    return {**os.environ, "ACTORPAR_CONTROL": "1", "XDG_RUNTIME_DIR": str(tmp_path)}


def begin(stack: ExitStack, environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    """Start a command, which is ended with the stack."""
    started = stack.enter_context(subprocess.Popen(command(*words), stdout=-1, stderr=-2, text=True, env=environment))
    stack.callback(started.communicate, timeout=15)
    stack.callback(started.terminate)
    return started


def address_of(node: subprocess.Popen[str]) -> str:
    assert node.stdout is not None
    return next(line for line in node.stdout if " listens at " in line).rpartition(" at ")[2].strip()


def test_a_program_its_child_nodes_and_their_control_sockets_open_no_port(environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        controller = begin(stack, environment, "run", f"{APP}:pids", "--nodes", "2")
        pids = _pids(controller)
        assert len(pids) == 2
        assert len(list((Path(environment["XDG_RUNTIME_DIR"]) / "actorpar").iterdir())) == 3
        assert listeners([controller.pid, *pids]) == []


def test_a_node_that_serves_and_who_joins_it_listen_where_they_are_told(environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        alpha = begin(
            stack, environment, "node", str(APP), "--listen", "tcp://127.0.0.1:0", "--listen", "tcp://[::1]:0"
        )
        where = address_of(alpha)
        controller = begin(stack, environment, "run", f"{APP}:pids", "--nodes", "1", "--join", where)
        found = listeners([alpha.pid, controller.pid, *_pids(controller)])
        assert len(found) == 2
        assert all(map(is_loopback, found))


def test_a_node_of_nodes_toml_opens_no_port_but_where_it_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    told = f'name = "alpha"\nlisten = ["unix:{tmp_path}/s/alpha"]\ncommand = "{sys.executable} -m actorpar"\n'
    (tmp_path / "nodes.toml").write_text(f"[[node]]\n{told}")
    with ExitStack() as stack:
        controller = begin(stack, environment, "run", f"{APP}:pids", "--config", str(tmp_path / "nodes.toml"))
        pids = _pids(controller)
        assert len(pids) == 1
        assert listeners([controller.pid, *pids]) == []


async def test_a_system_of_a_program_of_its_own_listens_where_its_node_does(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", environment["XDG_RUNTIME_DIR"])
    before = listeners([os.getpid()])
    async with Node("alone") as node, ap.ActorSystem(node=node, control=True):
        await node.listen(f"unix:{tmp_path}/s/alone")
        assert listeners([os.getpid()]) == before
        listener = await node.listen("tcp://localhost:0")
        (new,) = set(listeners([os.getpid()])) - set(before)
        assert is_loopback(new)
        assert new.rpartition(":")[2] == str(listener.address.port)
        with pytest.raises(ap.BindRefused):
            await node.listen("tcp://0.0.0.0:0")
        assert set(listeners([os.getpid()])) - set(before) == {new}
    assert listeners([os.getpid()]) == before


async def wait(told: ap.Receiver[int], tells: ap.Sender[int]) -> None:
    async with told, tells:
        await tells.send(os.getpid())
        async for _ in told:
            pass


def guest(told: ap.Receiver[int], tells: ap.Sender[int]) -> None:
    ap.run(lambda: wait(told, tells))


async def test_a_process_that_is_given_ends_opens_no_port() -> None:
    here_tx, there_rx = ap.open_channel[int](1)
    there_tx, here_rx = ap.open_channel[int](1)
    process: Any = multiprocessing.get_context("spawn").Process(target=guest, args=(there_rx, there_tx))
    process.start()
    before = listeners([os.getpid()])
    async with here_rx, here_tx:
        async with asyncio.timeout(30):
            assert listeners([await here_rx.receive()]) == []
        assert listeners([os.getpid()]) == before
    await asyncio.to_thread(process.join)
    process.close()
