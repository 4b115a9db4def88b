"""The heat program computes what one process would, bit for bit, on however many nodes, and tells what it cannot."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from examples.heat import plate

from .running import ACTORPAR, APP, expected, run


def test_the_serial_result_is_that_of_the_formula_cell_by_cell() -> None:
    before = plate.initial(7, 9)
    field = before
    for _ in range(5):
        after = field.copy()
        for y in range(1, 6):
            for x in range(1, 8):
                around = field[y - 1, x] + field[y + 1, x] + field[y, x - 1] + field[y, x + 1]
                after[y, x] = (around - 4.0 * field[y, x]) * plate.RATE + field[y, x]
        field = after
    assert plate.solve(before, 5).tobytes() == field.tobytes()
    assert field.tobytes() != before.tobytes()
    assert before.tobytes() == plate.initial(7, 9).tobytes(), "what is given stays as it is"


def test_heat_flows_from_the_hot_edge_and_never_beyond_the_hottest_and_the_coldest_cell() -> None:
    before = plate.initial(20, 20)
    after = plate.solve(before, 50)
    assert (after[1, 1:-1] > before[1, 1:-1]).all()
    assert (after.min(), after.max()) == (0.0, 1.0)


def test_one_process_without_a_launcher_has_the_serial_result() -> None:
    done = run([sys.executable, "-W", "error", APP], rows=37, columns=53, steps=101, every=40)
    assert (done.returncode, done.stdout) == (0, expected(37, 53, 101)), done.stderr
    assert "1 x 1 tiles from step 0 on, on this process" in done.stderr


@pytest.mark.parametrize(("nodes", "grid"), [(1, "1 x 1"), (2, "2 x 1"), (3, "3 x 1"), (4, "2 x 2"), (6, "3 x 2")])
def test_tiles_on_nodes_have_the_serial_result_bit_for_bit(nodes: int, grid: str) -> None:
    done = run([*ACTORPAR, "run", APP, "--nodes", str(nodes)], rows=37, columns=53, steps=101, every=40)
    assert (done.returncode, done.stdout) == (0, expected(37, 53, 101)), done.stderr
    assert f"{grid} tiles from step 0 on, on node-1 (pid" in done.stderr
    kept = [line for line in done.stderr.splitlines() if line.endswith("is kept")]
    assert kept == [f"step {step} of 101 is kept" for step in (40, 80, 101)]


@pytest.mark.parametrize(
    ("tiles", "rows", "columns"), [(9, 5, 6), (12, 30, 5), (7, 9, 3)], ids=["uneven", "narrow", "one cell wide"]
)
def test_several_tiles_on_a_node_may_be_a_cell_wide(tiles: int, rows: int, columns: int) -> None:
    done = run([*ACTORPAR, "run", APP, "--nodes", "2"], rows=rows, columns=columns, steps=30, every=7, tiles=tiles)
    assert (done.returncode, done.stdout) == (0, expected(rows, columns, 30)), done.stderr


def test_nodes_for_which_there_are_no_cells_have_no_tile() -> None:
    done = run([*ACTORPAR, "run", APP, "--nodes", "3"], rows=3, columns=4, steps=10)
    assert (done.returncode, done.stdout) == (0, expected(3, 4, 10)), done.stderr
    assert "1 x 1 tiles" in done.stderr


def test_no_step_leaves_the_plate_as_it_was() -> None:
    done = run([sys.executable, APP], rows=10, columns=10, steps=0)
    assert (done.returncode, done.stdout) == (0, expected(10, 10, 0)), done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"rows": 4, "columns": 50, "tiles": 9},
            "HEAT_TILES is 9, and inside its rim the plate has 2 x 48 cells, too few for 3 x 3 tiles",
        ),
        (
            {"rows": 50, "columns": 4, "tiles": 9},
            "HEAT_TILES is 9, and inside its rim the plate has 48 x 2 cells, too few for 3 x 3 tiles",
        ),
        ({"rows": 2}, "HEAT_ROWS is 2, and must be at least 3"),
        ({"every": 0}, "HEAT_EVERY is 0, and must be at least 1"),
        ({"steps": "-5"}, "HEAT_STEPS is a whole number, not '-5'"),
        ({"columns": "wide"}, "HEAT_COLUMNS is a whole number, not 'wide'"),
    ],
)
def test_what_cannot_be_computed_is_told_with_the_reason(options: dict[str, object], told: str) -> None:
    done = run([sys.executable, APP], **options)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"BadProblem: {told}" in done.stderr


def test_the_picture_is_a_png_of_the_field(tmp_path: Path) -> None:
    where = tmp_path / "plate.png"
    done = run([sys.executable, APP], rows=12, columns=17, steps=8, picture=where)
    assert done.returncode == 0, done.stderr
    data = where.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", 17, 12, 8, 2, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(12, 1 + 3 * 17)
    pixels = lines[:, 1:].reshape(12, 17, 3)
    assert not lines[:, 0].any(), "no row is filtered"
    assert (pixels[0] == 255).all(), "the hot edge is white"
    assert pixels[-1, 5:].max() == 0, "the cold one is black"
    red, green, blue = (pixels[:, :, colour].astype(int) for colour in range(3))
    assert ((red >= green) & (green >= blue)).all()
    assert ((red > 0) & (green == 0)).any(), "what is lukewarm is red"
    field = plate.solve(plate.initial(12, 17), 8)
    order = np.argsort(field, axis=None, kind="stable")
    assert (np.diff(pixels.sum(axis=2, dtype=int).ravel()[order]) >= 0).all(), "what is hotter is no darker"
