"""The program as people start it: alone, with nodes that decode, with a node for the device; killed and interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from .conftest import ONE_THREAD

ROOT = Path(__file__).resolve().parents[2]
APP = "examples/images/app.py"
PYTHON = [sys.executable, "-W", "error"]
#: Seconds that a run may take.
LIMIT = 60.0

pytestmark = pytest.mark.usefixtures("opencl")


def start(command: list[str], images: str, out: Path, **options: object) -> subprocess.Popen[str]:
    told = {f"IMAGES_{name.upper()}": str(value) for name, value in (options | {"out": out, "box": 64}).items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMAGES")}
    return subprocess.Popen(
        [*PYTHON, *command], cwd=ROOT, env=clean | ONE_THREAD | told | {"IMAGES": images},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(command: list[str], images: str, out: Path, **options: object) -> tuple[str, str]:
    """What it prints and what it tells; it has ended well."""
    with start(command, images, out, **options) as process:
        printed, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, told
    return printed, told


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def alone(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, bytes]]:
    """A run in one process: what it prints, what it tells, what it has written."""
    out = tmp_path_factory.mktemp("alone")
    printed, told = run([APP], str(samples), out, sheet=out / "sheet.PNG")
    with Image.open(out / "sheet.PNG") as sheet:
        assert sheet.width > 6 * 128
    (out / "sheet.PNG").unlink()
    return printed, told, contents(out)


def test_it_tells_of_each_picture_of_each_stage_and_what_it_came_to(alone: tuple[str, str, dict[str, bytes]]) -> None:
    printed, told, made = alone
    assert re.fullmatch(r"6 of 7 pictures in .* s, 1 left out: .* images/s, .* MiB read, .* MiB/s\n", printed)
    assert "7 pictures, 16 in memory at most; decoded here, developed here\n" in told
    assert re.search(r"left out by decode: .*broken.jpg: it is no picture\n", told)
    assert told.count("-> ") == 6
    assert re.search(r"\ndevelop +4 +6 +0 +0 .* ms +\d+%\n.*\nthe slowest stage: \w+\n$", told)
    assert len(made) == 12


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ("--nodes 2", r"decoded on node-1 \(pid \d+\), node-2 \(pid \d+\), developed here"),
        ("--gpus opencl:0", r"decoded here, developed on opencl-0 \(pid \d+\)"),
        ("--nodes 1 --gpus opencl:0", r"decoded on node-1 \(pid \d+\), developed on opencl-0 \(pid \d+\)"),
    ],
    ids=["nodes that decode", "a node for the device", "both"],
)
def test_with_nodes_the_results_are_the_same_bit_for_bit(
    options: str, places: str, samples: Path, tmp_path: Path, alone: tuple[str, str, dict[str, bytes]]
) -> None:
    printed, told = run(["-m", "actorpar", "run", APP, *options.split()], str(samples), tmp_path)
    assert re.match(r"6 of 7 pictures .*, 1 left out", printed)
    assert re.search(places, told)
    assert "broken.jpg: it is no picture" in told
    assert contents(tmp_path) == alone[2]


def until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Read what it tells up to this."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"it never told {pattern!r}: {''.join(told)}")


@pytest.mark.parametrize(
    ("options", "lost", "stage"), [("--gpus opencl:0", "opencl-0", "develop"), ("--nodes 2", "node-2", "decode")]
)
def test_pictures_of_a_node_that_is_killed_are_done_again_by_the_next(
    options: str, lost: str, stage: str, samples: Path, tmp_path: Path
) -> None:
    images = " ".join([str(samples / "sample-001.jpg")] * 100)
    with start(["-m", "actorpar", "run", APP, *options.split()], images, tmp_path) as process:
        pid = int(until(process, rf"{lost} \(pid (\d+)\)")[1])
        until(process, "-> ")
        os.kill(pid, signal.SIGKILL)
        printed, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, told
    assert printed.startswith("100 of 100 pictures"), told
    assert f"{lost} has ended: killed by SIGKILL" in told
    again = re.search(rf"^{stage} +\d+ +100 +0 +(\d+)", told, re.MULTILINE)
    assert again is not None, told
    assert int(again[1]) > 0 or stage == "decode", "a device always has pictures; who decodes may wait for room"
    assert len({made for name, made in contents(tmp_path).items() if name.endswith(".png")}) == 1, "all are the same"


def test_after_ctrl_c_it_tells_what_was_done_and_no_file_is_half_written(samples: Path, tmp_path: Path) -> None:
    images = " ".join([str(samples / "sample-001.jpg")] * 300)
    with start([APP], images, tmp_path) as process:
        until(process, "-> ")
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert re.match(r"\d+ of 300 pictures", printed)
    assert 0 < len(list(tmp_path.glob("*.png"))) < 300
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".png", ".json")] == []
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            image.load()


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    with start([APP], "/no/such", tmp_path) as process:
        printed, told = process.communicate(timeout=LIMIT)
    assert (process.returncode, printed) == (1, "")
    assert told == "there is no file and no folder '/no/such'; a URL begins with http:// or https://\n"
