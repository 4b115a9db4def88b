"""Arrays of CUDA that another process of the host uses where they stand."""

from __future__ import annotations

import json

from tests.gpu.fake.lane import Lane


def test_an_array_is_used_by_another_process_where_it_stands_and_given_back_when_it_is_done_with_it(
    fake_cuda: Lane,
) -> None:
    done = fake_cuda.run("-m", "actorpar", "run", "tests/gpu/lending_program.py", "--gpus", "cuda:0")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"buffer": "Mapped", "result": 600_000.0},
        {"imported": 1, "held": 1},
        {"imported": 0, "held": 0},
        {"sums": [1000.0, 2000.0], "imported": 0},
        {"after_its_end": 4000.0},
    ]
