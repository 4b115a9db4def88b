"""Nodes that a controller starts: linked when `start` returns, seen at once when they end, gone when `end` returns."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actorpar.launch import cores
from actorpar.launch.application import Application
from actorpar.launch.children import Children
from actorpar.launch.output import Output
from actorpar.launch.specs import equal
from actorpar.nodes.errors import HandshakeRefused, NodeDown
from actorpar.nodes.events import NodeEvent, NodeLost
from actorpar.nodes.node import Node
from tests.launch.watching import watching

PROGRAM = """
import os, signal, subprocess, sys
{}
async def main(): ...
"""


class Controller:
    """A node with children that run a program; what is lost is noted."""

    def __init__(self, folder: Path, program: str, app: bytes = b"") -> None:
        path = folder / "program.py"
        path.write_text(PROGRAM.format(program))
        self.application = Application(path)
        self.node = Node("controller", app=app or self.application.fingerprint())
        self.output = Output()
        self.children = Children(self.node, self.application, self.output, runtime_dir=str(folder))
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.node.watch(self._happened)

    def _happened(self, event: NodeEvent) -> None:
        if isinstance(event, NodeLost) and not self.lost.done():
            self.lost.set_result(event.reason)


@asynccontextmanager
async def controlling(folder: Path, program: str = "", app: bytes = b"") -> AsyncIterator[Controller]:
    controller = Controller(folder, program, app)
    try:
        async with asyncio.timeout(20):
            yield controller
    finally:
        pids = controller.children.pids
        await controller.node.close()
        await controller.children.end()
        await controller.output.close()
        assert controller.children.pids == {}
        for pid in pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_when_start_returns_all_are_linked_and_have_names(tmp_path: Path) -> None:
    async with controlling(tmp_path) as controller:
        await controller.children.start(equal(2, ("fast",)))
        members = controller.node.members.values()
        assert sorted(member.name for member in members) == ["node-1", "node-2"]
        assert {member.pid for member in members} == set(controller.children.pids.values())
        assert {member.labels for member in members} == {("fast",)}


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("1 / 0", "exit code 1"),
    ],
)
async def test_a_child_that_ends_before_it_is_linked_is_told_with_its_exit(
    tmp_path: Path, program: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with controlling(tmp_path, program) as controller:
        with pytest.raises(NodeDown, match=f"node-1 ended before it was linked, {says}") as down:
            await controller.children.start(equal(1))
        assert down.value.node == "node-1"
    if program == "1 / 0":
        assert "[node-1] ZeroDivisionError: division by zero\n" in capfd.readouterr().err


async def test_when_one_fails_the_others_are_ended(tmp_path: Path) -> None:
    program = "try:\n    open(__file__ + '.once', 'x').close()\nexcept FileExistsError:\n    sys.exit(5)"
    async with controlling(tmp_path, program) as controller:
        with pytest.raises(NodeDown, match="exit code 5"):
            await controller.children.start(equal(2))


async def test_a_child_that_runs_other_code_is_refused_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with controlling(tmp_path, app=b"another") as controller:
        with pytest.raises(HandshakeRefused, match="runs other code"):
            await controller.children.start(equal(1))
        await asyncio.wait([child.exited for child in controller.children._children.values()])
    told = capfd.readouterr().err
    assert "[node-1] actorpar: HandshakeRefused: no link: the other node runs other code" in told
    assert "Traceback" not in told


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with controlling(tmp_path, "import time; time.sleep(60)") as controller:
        starting = asyncio.create_task(controller.children.start(equal(2)))
        while len(controller.children.pids) < 2:  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert "has not ended" not in caplog.text  # nobody waits for a child that no link tells to end


async def test_net42_a_child_that_is_killed_is_down_at_once(tmp_path: Path) -> None:
    async with controlling(tmp_path) as controller:
        await controller.children.start(equal(1))
        controller.children.kill("node-1")
        async with asyncio.timeout(0.4):
            assert "its process has ended" in await controller.lost
        assert not controller.node.members


async def test_net42_its_exit_is_seen_although_a_descendant_keeps_its_pipe_open(tmp_path: Path) -> None:
    forks = "if os.fork() == 0:\n    import time; time.sleep(3); os._exit(0)"  # it has the ends of all pipes
    async with controlling(tmp_path, forks) as controller:
        await controller.children.start(equal(1))
        controller.children.kill("node-1")
        async with asyncio.timeout(2):
            assert "its process has ended, killed by SIGKILL" in await controller.lost


async def test_a_child_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("actorpar.launch.children.GRACE", 0.3)
    async with controlling(tmp_path, "import atexit, time; atexit.register(time.sleep, 60)") as controller:
        await controller.children.start(equal(1))
    assert "node-1 has not ended in 0.3 s and is killed" in caplog.text


async def test_a_child_has_its_share_of_the_cores_and_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in cores.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    monkeypatch.setattr(cores, "usable", lambda: 9)
    told = (
        "print(*(os.environ[name] for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')))\n"
        "print(os.read(0, 1), os.isatty(1))\n"
        "told = subprocess.run(['grep', 'SigIgn', '/proc/self/status'], capture_output=True, text=True).stdout\n"
        "print('SIGINT', 'ignored' if int(told.split()[1], 16) & 2 else 'heard')"
    )
    async with controlling(tmp_path, told) as controller:
        await controller.children.start(equal(2))
        assert "OMP_NUM_THREADS" not in os.environ
    lines = sorted(line for line in capfd.readouterr().out.splitlines() if line.startswith("[node-1]"))
    assert lines == ["[node-1] 4 4 5", "[node-1] SIGINT heard", "[node-1] b'' False"]


async def test_a_child_may_have_children_of_multiprocessing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    forks = (
        "import multiprocessing\nprocess = multiprocessing.get_context('fork').Process(target=print, args=('below',))\n"
        "process.start()\nprocess.join()"
    )
    async with controlling(tmp_path, forks) as controller:
        await controller.children.start(equal(1))
    assert "[node-1] below\n" in capfd.readouterr().out


def test_a_child_ends_with_its_parent_while_it_is_still_starting(tmp_path: Path) -> None:
    """kill -9 of the parent, which had no time to link."""
    path = tmp_path / "program.py"
    path.write_text("import os, time\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(60)\n")
    starts = (
        "import actorpar as ap\nfrom pathlib import Path\nfrom actorpar.nodes.node import Node\n"
        "from actorpar.launch.application import Application\nfrom actorpar.launch.children import Children\n"
        "from actorpar.launch.output import Output\nfrom actorpar.launch.specs import equal\n"
        "async def main():\n"
        f"    application = Application(Path({str(path)!r}))\n"
        f"    await Children(Node('c'), application, Output(), runtime_dir={str(tmp_path)!r}).start(equal(1))\n"
        "if __name__ == '__main__':\n    ap.run(main)\n"
    )
    starter = tmp_path / "starter.py"
    starter.write_text(starts)
    with subprocess.Popen([sys.executable, str(starter)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, told_parent = map(int, parent.stdout.readline().split()[1:])
        assert told_parent == parent.pid
        with watching(pid) as ended:
            parent.send_signal(signal.SIGKILL)
            assert ended(5)
