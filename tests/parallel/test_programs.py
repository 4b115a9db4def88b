"""Programs with a pool, as they are started: their own functions run in the workers, which end with them."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
    import asyncio, os, sys
    from dataclasses import dataclass
    import actorpar as ap

    @dataclass
    class Side:
        length: int

    def cube(side: Side) -> int:
        return side.length**3

    async def main():
        async with ap.ProcessPool(2) as pool:
            print(await pool.map(cube, [Side(n) for n in range(5)]), *pool.pids, flush=True)
            if "wait" in sys.argv:
                await asyncio.sleep(60)

    if __name__ == "__main__":
        ap.run(main)
"""
CUBES = "[0, 1, 8, 27, 64]"


def script(folder: Path) -> Path:
    path = folder / "cubes.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


def run(*command: object, folder: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, check=False, cwd=folder, input=text
    )  # fmt: skip


def test_functions_of_a_script_run_in_a_pool(tmp_path: Path) -> None:
    done = run(script(tmp_path))
    assert done.stdout.startswith(CUBES), done.stderr
    assert done.stderr == ""


def test_functions_of_a_module_that_is_run_by_its_name_run_in_a_pool(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").touch()
    script(tmp_path / "shapes")
    done = run("-m", "shapes.cubes", folder=tmp_path)
    assert done.stdout.startswith(CUBES), done.stderr
    assert done.stderr == ""


def test_functions_of_a_program_that_was_launched_run_in_a_pool(tmp_path: Path) -> None:
    done = run("-m", "actorpar", "run", script(tmp_path))
    assert done.stdout.startswith(CUBES), done.stderr


def test_a_program_that_starts_while_its_workers_import_it_is_told_what_to_write(tmp_path: Path) -> None:
    path = script(tmp_path)
    path.write_text(path.read_text().replace('if __name__ == "__main__":', "if True:"))
    done = run(path)
    assert done.returncode == 1
    assert 'have the program start under `if __name__ == "__main__":`' in done.stderr
    assert done.stdout == ""


def test_functions_that_were_typed_in_are_refused(tmp_path: Path) -> None:
    done = run("-c", textwrap.dedent(SCRIPT), folder=tmp_path)
    assert done.returncode == 1
    assert "is defined in no file, so a worker cannot import it: define it in a module" in done.stderr


def test_workers_end_with_the_process_of_the_pool_however_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, str(script(tmp_path)), "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pids = [int(word) for word in program.stdout.readline().split("]")[1].split()]
        program.send_signal(signal.SIGKILL)
        program.stdout.read()  # the workers have it open, too: it ends with the last of them
    assert len(pids) == 2


def test_a_ctrl_c_ends_the_pool_and_its_workers(tmp_path: Path) -> None:
    command = [sys.executable, str(script(tmp_path)), "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=30)
    assert "KeyboardInterrupt" in told
    assert "Traceback" in told
    assert "worker" not in told
