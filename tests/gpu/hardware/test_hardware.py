"""What measures a GPU runs to its end over the fake driver, and says that it did."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from actorpar.gpu.program import Program
from tests.gpu.devices import CUDA as OF_THE_TESTS
from tests.gpu.fake.lane import Lane

HERE = Path(__file__).parent
#: Whatever else is measured, these were promised.
PROMISED = (
    "await gpu.done over cuStreamSynchronize, blocking sync",
    "await gpu.done over cuStreamSynchronize, spinning",
    "1000 us kernel: await gpu.done of cuStreamSynchronize, spinning",
    "processor time",
    "latest tick of 100 us",
    "slot, staged, of raw pinned",
    "depth 4, of the slowest stage",
    "depth 4, of plain calls",
    "is handed over in",
    "a sticky error is seen after",
    "the actor has computed again after",
)


def test_every_figure_is_measured_and_the_file_says_that_it_is_of_the_fake(fake_cuda: Lane, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = fake_cuda.run("-m", "tests.gpu.hardware", "--out", str(out), "--small", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert (told["fake"], told["small"], told["failed"]) == (True, True, {})
    assert told["device"] == "Fake device 0"
    promises = [figure for figure in told["figures"] if figure["limit"] is not None]
    assert [name for name in PROMISED if not any(name in figure["name"] for figure in promises)] == []
    assert "no figure of a GPU" in done.stdout


def test_a_part_that_fails_is_told_and_the_others_go_on(fake_cuda: Lane, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = fake_cuda.run(
        "-m", "tests.gpu.hardware", "--out", str(out), "--small",
        XDG_CACHE_HOME=str(tmp_path), FAKE_CUDA_MEMORY=str(1 << 20),
    )  # fmt: skip
    told = json.loads(out.read_text())
    assert done.returncode == 1
    assert "OutOfDeviceMemory" in told["failed"]["copies"]
    assert any("latest tick" in figure["name"] for figure in told["figures"])


def test_the_program_for_compute_sanitizer_gets_the_right_results(fake_cuda: Lane, tmp_path: Path) -> None:
    done = fake_cuda.run("-m", "tests.gpu.hardware.sanitized", XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "all results are right\n"), done.stderr


def test_the_script_goes_through_all_its_steps_and_says_which_have_failed(fake_cuda: Lane, tmp_path: Path) -> None:
    more = fake_cuda.environment(PYTHON=str(fake_cuda.python), XDG_CACHE_HOME=str(tmp_path / "cache"))
    command = ["bash", str(HERE / "run.sh"), str(tmp_path), "--small"]
    done = subprocess.run(command, env=more, capture_output=True, text=True, timeout=120, check=False)
    steps = dict(line.split(" after ")[0].split(": ") for line in (tmp_path / "summary.txt").read_text().splitlines())
    assert list(steps) == ["machine", "completion", "doctor", "kernels", "figures", "tests", "sanitizer"]
    if shutil.which("nvidia-smi") is None:
        assert (steps.pop("machine"), done.returncode) == ("127", 1)
    if shutil.which("compute-sanitizer") is None:
        assert steps.pop("sanitizer") == "127"
    assert set(steps.values()) == {"0"}, steps
    assert json.loads((tmp_path / "figures.json").read_text())["fake"] is True


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(fake_cuda: Lane, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    told = fake_cuda.run("-c", "from tests.gpu.hardware.bed import CUDA; print(CUDA)")
    for number, source in enumerate((OF_THE_TESTS, told.stdout)):
        text = tmp_path / f"{number}.cu"
        text.write_text(source)
        command = [
            nvcc,
            "-fatbin",
            "-arch=sm_90",
            "-Werror",
            "all-warnings",
            "-o",
            str(text.with_suffix(".fatbin")),
            str(text),
        ]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (compiled.returncode, compiled.stdout + compiled.stderr) == (0, "")
        assert Program({"cuda": text.with_suffix(".fatbin").read_bytes()}, spin="q")
