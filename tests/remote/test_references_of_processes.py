"""References between three processes of the system: what the program of this folder says of them, run once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("references_program.py")


@pytest.fixture(scope="module")
def told() -> Any:
    """What the program says."""
    command = [sys.executable, "-m", "actorpar", "run", str(PROGRAM), "--nodes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def test_ac20_a_request_is_forwarded_from_process_to_process(told: Any) -> None:
    assert told["forward"] == [True, True]


def test_ac18_a_refusal_is_of_the_class_of_the_program_also_through_a_forwarder(told: Any) -> None:
    assert told["refuse"] == [["OutOfStock", "none left"]] * 3


def test_ac19_a_deferred_answer_comes_from_another_process(told: Any) -> None:
    assert told["deferred"] == "now"


def test_ac14_an_ask_of_another_process_gives_up_at_its_deadline(told: Any) -> None:
    assert told["deadline"] == ["AskTimeout"]


def test_an_actor_of_another_process_is_killed_with_a_handler_in_hand(told: Any) -> None:
    assert told["killed"] in ("killed", "noproc")


def test_ac06_guards_send_more_than_may_be_unhandled_and_what_is_stashed_keeps_its_order(told: Any) -> None:
    assert told["guarded and stashed"]


def test_ac29_an_end_in_another_process_is_told_to_who_traps_exits(told: Any) -> None:
    assert told["trapped"] == ["error(RemoteError('ValueError: as it was told'))"]


def test_ac28_an_end_goes_through_links_over_three_processes(told: Any) -> None:
    assert told["linked"] == ["error", "error", "error"]
