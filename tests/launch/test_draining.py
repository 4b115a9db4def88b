"""A node that is told to end by SIGTERM, as by the keeper of a container, ends in order."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.launch.test_launching import APP, command, run


@contextmanager
def node(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A node that serves, and where it listens."""
    program = command("node", str(APP), "--listen", "tcp://127.0.0.1:0", *words)
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            yield started, started.stdout.readline().rpartition(" at ")[2].strip()
        finally:
            started.kill()


def test_on_sigterm_the_message_in_hand_is_handled_and_answered_and_the_actor_stops() -> None:
    with node() as (started, where):
        done = run("run", f"{APP}:drained", "--join", where)
        assert done.stdout == "answer done\ntold False\n", done.stderr
        told, errors = started.communicate(timeout=15)
    assert told == "handled\nstopped\n"
    assert started.returncode == 143
    assert "Traceback" not in errors


def test_on_sigterm_a_node_that_waits_for_another_one_to_come_ends_at_once(tmp_path: Path) -> None:
    with node("--join", f"unix:{tmp_path}/nobody") as (started, _):
        started.terminate()
        _, errors = started.communicate(timeout=15)
    assert started.returncode == 143
    assert "Traceback" not in errors
