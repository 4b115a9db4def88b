"""The nodes that nodes.toml names: started by their commands, linked, and gone with their controller."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from actorpar.launch.application import Application
from actorpar.launch.config import Config, NodeConfig
from actorpar.launch.hosts import words
from actorpar.nodes.security import authority
from tests.launch.watching import watching

APP = Path(__file__).with_name("app.py")
ACTORPAR = f"{sys.executable} -m actorpar"
#: Does what ssh does, on this host: it drops its options and the host, and gives the rest to a shell.
SSH = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\necho "ssh to $2" >&2\nexec sh -c "$3"\n'


def run(folder: Path, program: str, config: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`actorpar run --config` with this nodes.toml, until it ends."""
    return subprocess.run(
        [*command(folder, program, config)], capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def command(folder: Path, program: str, config: str) -> list[str]:
    (folder / "nodes.toml").write_text(config)
    return [sys.executable, "-m", "actorpar", "run", program, "--config", str(folder / "nodes.toml")]


def node(name: str, where: str, **fields: str) -> str:
    told = {"command": ACTORPAR, **fields}
    lines = "".join(f'{field} = "{value}"\n' for field, value in told.items())
    return f'[[node]]\nname = "{name}"\nlisten = ["{where}"]\n{lines}'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_program_runs_on_nodes_of_other_hosts_over_ssh_with_certificates(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o700)
    authority.make(tmp_path / "keys", ["controller", "alpha", "beta"])
    config = f'ssh = "{ssh} -o BatchMode=yes"\nkey = "keys/controller"\n' + "".join(
        node(name, f"tcp://127.0.0.1:{free_port()}", host=f"me@{name}.example", key=f"{tmp_path}/keys/{name}")
        for name in ("alpha", "beta")
    )
    done = run(tmp_path, str(APP), config, WANTED_NODES="2")
    assert done.returncode == 0, done.stderr
    assert "sum 332833500 by 2" in done.stdout
    assert "[alpha] ssh to me@alpha.example\n" in done.stderr
    assert "[beta] beta listens at tcp://127.0.0.1:" in done.stdout


def test_nodes_of_this_host_need_no_ssh(tmp_path: Path) -> None:
    done = run(tmp_path, f"{APP}:pids_once", node("alpha", f"unix:{tmp_path}/s/alpha"))
    assert done.returncode == 0, done.stderr
    assert "names alpha" in done.stdout


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"command": "sh -c 'echo why; exit 7' x"}, "alpha ended before it was linked, exit code 7"),
        ({"command": "/no/such/actorpar"}, "alpha ended before it was linked, exit code 127"),
        ({"folder": "/no/such/folder"}, "alpha ended before it was linked, exit code"),
    ],
)
def test_a_node_that_cannot_be_started_is_told_with_its_exit(tmp_path: Path, fields: dict[str, str], says: str) -> None:
    done = run(tmp_path, str(APP), node("alpha", f"unix:{tmp_path}/s/alpha", **fields))
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_another_node_at_its_address_is_not_taken_for_it(tmp_path: Path) -> None:
    where = f"unix:{tmp_path}/s/alpha"
    other = subprocess.Popen(
        [*ACTORPAR.split(), "node", str(APP), "--name", "gamma", "--listen", where], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert "listens at" in other.stdout.readline()
        done = run(tmp_path, str(APP), node("alpha", where, command="sh -c cat"))
        assert done.returncode == 1
        assert f"at {where} is gamma, and alpha was meant" in done.stderr
    finally:
        other.terminate()
        other.communicate(timeout=10)


def test_without_an_ssh_the_error_says_so(tmp_path: Path) -> None:
    config = 'ssh = "/no/such/ssh"\n' + node("alpha", f"tcp://127.0.0.1:{free_port()}", host="alpha.example")
    done = run(tmp_path, str(APP), config)
    assert done.returncode == 1
    assert "alpha cannot be started: No such file or directory" in done.stderr


def test_a_mistake_in_the_file_is_told_before_anything_is_started(tmp_path: Path) -> None:
    done = run(tmp_path, str(APP), node("alpha", "127.0.0.1:7000"))
    assert done.returncode == 1
    assert "nodes.toml, line 3: node 1, listen: '127.0.0.1:7000' is no node address" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_they_end_when_their_controller_does(tmp_path: Path, how: signal.Signals) -> None:
    words = command(tmp_path, f"{APP}:pids", node("alpha", f"unix:{tmp_path}/s/alpha"))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        told = next(line for line in controller.stdout if line.startswith("pids"))
        with watching(*map(int, told.split()[1:])) as ended:
            controller.send_signal(how)
            controller.communicate(timeout=15)
            assert ended(10)


def test_what_the_file_says_reaches_the_shell_of_the_other_host_as_one_word_each() -> None:
    each = NodeConfig(
        name="alpha", host="me@h", listen=["tcp://h:7"], labels=["a b", "$(reboot)"], folder="/x y", key="/k'",
        device="cuda:1", command="a c",
    )  # fmt: skip
    found = words(each, Config(node=[each], ssh="ssh -p 22"), Application(Path("/here/app.py"), "go"), 2.5)
    assert found[:5] == ["ssh", "-p", "22", "--", "me@h"]
    shell = found[5].replace("cd '/x y' && exec a c", "printf '%s\\n'")
    shown = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == [
        "node", "app.py:go", "--until-eof", "--name", "alpha", "--down-after", "2.5", "--listen=tcp://h:7",
        "--label=a b", "--label=$(reboot)", "--device=cuda:1", "--key=/k'",
    ]  # fmt: skip
