"""`actorpar run` and `actorpar node`, as a user starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actorpar.launch import cores
from tests.launch.watching import watching

APP = Path(__file__).with_name("app.py")
TOTAL = sum(number * number for number in range(1000))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "actorpar", *words]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=30, env={**os.environ, **environment}, check=False
    )


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def served() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.terminate()
        process.communicate(timeout=10)


def serve(started: list[subprocess.Popen[str]], *words: str, program: Path = APP) -> str:
    """Start a node and return the address at which it listens."""
    process = start("node", str(program), *words)
    started.append(process)
    assert process.stdout is not None
    for line in process.stdout:
        if " listens at " in line:
            return line.rpartition(" at ")[2].strip()
    raise AssertionError("it does not listen")


@pytest.mark.parametrize(("nodes", "processes"), [("0", 1), ("1", 1), ("3", 3)])
def test_one_program_runs_unchanged_on_one_process_and_on_many(nodes: str, processes: int) -> None:
    done = run("run", str(APP), "--nodes", nodes)
    assert (done.returncode, done.stderr) == (0, "")
    said, _, workers = done.stdout.partition("\n")[0].rpartition(" by ")
    assert said == f"sum {TOTAL}"
    assert 1 <= int(workers) <= processes


def test_one_program_runs_unchanged_over_tcp(served: list[subprocess.Popen[str]]) -> None:
    alpha = serve(served, "--name", "alpha", "--listen", "tcp://127.0.0.1:0")
    beta = serve(served, "--name", "beta", "--listen", "tcp://127.0.0.1:0", "--join", alpha)
    done = run("run", str(APP), "--join", alpha, "--join", beta, WANTED_NODES="2")
    assert f"sum {TOTAL} by 2" in done.stdout, done.stderr


def test_another_bind_is_refused_without_a_key() -> None:
    done = run("node", str(APP), "--listen", "tcp://0.0.0.0:0")
    assert done.returncode == 1
    assert "BindRefused" in done.stderr
    assert "actorpar key new" in done.stderr


def test_nodes_with_certificates_link_over_tls_and_others_do_not(
    served: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    assert run("key", "certs", str(tmp_path / "ca"), "alpha", "beta").returncode == 0
    assert run("key", "certs", str(tmp_path / "other"), "gamma").returncode == 0
    alpha = serve(served, "--listen", "tcp://0.0.0.0:0", "--key", str(tmp_path / "ca/alpha"))
    where = alpha.replace("0.0.0.0", "127.0.0.1")
    done = run("run", str(APP), "--join", where, "--key", str(tmp_path / "ca/beta"))
    assert f"sum {TOTAL} by 1" in done.stdout, done.stderr
    for key in ([], ["--key", str(tmp_path / "other/gamma")]):
        done = run("run", str(APP), "--join", where, *key)
        assert done.returncode == 1
        assert "no link" in done.stderr


def test_a_node_that_is_killed_is_told_at_once_and_the_program_goes_on() -> None:
    begun = time.monotonic()
    done = run("run", f"{APP}:killed", "--nodes", "2")
    assert "told: NodeDown 1" in done.stdout, done.stderr
    assert time.monotonic() - begun < 8


def test_the_output_of_nodes_has_their_name_before_each_line() -> None:
    done = run("run", f"{APP}:prints", "--nodes", "1")
    assert done.stdout == "[node-1] a line\n"
    assert done.stderr == "[node-1] an error line\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_children_end_when_their_parent_does(how: Any) -> None:
    controller = start("run", f"{APP}:pids", "--nodes", "2")
    pids = _pids(controller)
    with watching(*pids) as ended:
        controller.send_signal(how)
        controller.communicate(timeout=15)
        assert ended(10)


@pytest.mark.parametrize("node", [["--nodes", "2"], []])
def test_a_ctrl_c_is_heard_by_all_of_the_terminal_and_ends_them_in_order(node: list[str], tmp_path: Path) -> None:
    """The terminal sends SIGINT to all its processes; the controller alone acts on it."""
    if not node:
        path = tmp_path / "nodes.toml"
        told = f'name = "alpha"\nlisten = ["unix:{tmp_path}/s/alpha"]\ncommand = "{sys.executable} -m actorpar"\n'
        path.write_text(f"[[node]]\n{told}")
        node = ["--config", str(path)]
    words = command("run", f"{APP}:pids", *node)
    controller = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with watching(*_pids(controller)) as ended:
        os.killpg(controller.pid, signal.SIGINT)
        _, errors = controller.communicate(timeout=15)
        assert ended(10)
    assert controller.returncode == 130
    assert "Traceback" not in errors
    assert "has ended" not in errors
    assert errors.count("interrupted") == 1


def test_the_controller_has_its_share_of_the_cores_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "threads None\n" in run("run", f"{APP}:threads").stdout
    assert "threads 1\n" in run("run", f"{APP}:threads", "--nodes", "1", OMP_NUM_THREADS="1").stdout
    share = cores.share(2)
    assert f"threads {share}\n" in run("run", f"{APP}:threads", "--nodes", "2").stdout


def test_a_node_that_serves_has_the_cores_that_it_may_use(
    served: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    alpha = serve(served, "--listen", "tcp://127.0.0.1:0")
    assert run("run", f"{APP}:threads_of_a_node", "--join", alpha).returncode == 0
    assert served[0].stdout is not None
    assert next(line for line in served[0].stdout if "bounded" in line) == f"bounded {cores.share(1)}\n"


def test_the_nodes_of_this_host_have_a_label_to_be_placed_by() -> None:
    assert run("run", f"{APP}:told_labels", "--nodes", "2").stdout == "labels worker\n"


def test_a_second_system_of_a_program_has_the_nodes_that_the_first_one_had() -> None:
    assert run("run", f"{APP}:twice", "--nodes", "1").stdout == "nodes 1\nnodes 1\n"


def test_a_node_joins_all_that_it_is_told_to(served: list[subprocess.Popen[str]]) -> None:
    """One of them is still to come."""
    alpha = serve(served, "--name", "alpha", "--listen", "tcp://127.0.0.1:0")
    beta = start("run", f"{APP}:pids", "--name", "beta", "--listen", "tcp://127.0.0.1:0")
    served.append(beta)
    assert beta.stdout is not None
    where = beta.stdout.readline().rpartition(" at ")[2].strip()
    both = ("--join", alpha, "--join", where)
    serve(served, "--name", "gamma", "--listen", "tcp://127.0.0.1:0", *both)
    done = run("run", f"{APP}:told_names", "--join", where, WANTED_NODES="3")
    assert done.stdout == "names alpha beta gamma\n", done.stderr


def _pids(controller: subprocess.Popen[str]) -> list[int]:
    assert controller.stdout is not None
    for line in controller.stdout:
        if line.startswith("pids"):
            return [int(word) for word in line.split()[1:]]
    raise AssertionError("it told no pids")


@pytest.mark.parametrize(
    ("app", "says"),
    [("no_such_file.py", "there is no such file"), (f"{APP}:square_root", "has no `async def square_root()`")],
)
def test_a_program_that_cannot_be_started_is_told(app: str, says: str) -> None:
    done = run("run", app)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--nodes", "-1"], "'-1' is no number of nodes"),
        (["--nodes", "many"], "'many' is no number of nodes"),
        (["--name", "two words"], "'two words' is no name"),
        (["--down-after", "0"], "'0' is no number of seconds"),
        (["--down-after", "nan"], "'nan' is no number of seconds"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(words: list[str], says: str) -> None:
    done = run("run", str(APP), *words)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--join", "localhost:7000"], "InvalidAddress"),
        (["--listen", "tcp://127.0.0.1:70000"], "InvalidAddress"),
        (["--listen", "tcp://no.such.host.invalid:7000"], "BindRefused"),
        (["--key", "/no/such/key"], "KeyRefused: /no/such/key cannot be read: No such file or directory"),
        (["--config", "/no/such.toml"], "ConfigError: /no/such.toml cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(words: list[str], says: str) -> None:
    done = run("run", str(APP), *words)
    assert done.returncode == 1
    assert done.stderr.startswith(f"actorpar: {says}")
    assert done.stderr.count("\n") == 1


def test_what_the_program_raises_is_shown_with_its_stack() -> None:
    done = run("run", f"{APP}:raises", "--nodes", "1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "app.py" in done.stderr
    assert "of the program itself" in done.stderr


def test_a_node_is_called_as_its_certificate_says(tmp_path: Path) -> None:
    assert run("key", "certs", str(tmp_path), "alpha").returncode == 0
    done = run("run", f"{APP}:pids", "--name", "beta", "--key", str(tmp_path / "alpha"))
    assert done.returncode == 1
    assert "is for the node alpha, and this one is called beta" in done.stderr


def test_a_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    key = tmp_path / "nodes.key"
    assert run("key", "new", str(key)).returncode == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key.read_text())) == 32
    again = run("key", "new", str(key))
    assert again.returncode == 1
    assert "never overwritten" in again.stderr
    key.chmod(0o644)
    refused = run("node", str(APP), "--listen", "tcp://127.0.0.1:0", "--key", str(key))
    assert refused.returncode == 1
    assert "can be read by others" in refused.stderr
