"""A checkpoint is the parts that all tiles of one grid have sent of one step, and nothing less."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from actorpar.teams.cartesian import Cartesian
from examples.heat import plate

from .running import ROOT


@pytest.fixture
def heat(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The modules of the program, by the names that it knows them by."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "heat"))
    return importlib.import_module


def test_the_blocks_of_a_grid_cover_the_plate_and_overlap_by_a_ring(heat: Callable[[str], ModuleType]) -> None:
    field = plate.initial(8, 11)
    kept = heat("checkpoints").Checkpoints(field)
    blocks = list(kept.blocks(Cartesian((2, 3))))
    assert [block.shape for block in blocks] == [(5, 5)] * 6
    assert [block.tobytes() for block in blocks] == [
        field[row : row + 5, column : column + 5].tobytes() for row in (0, 3) for column in (0, 3, 6)
    ]
    blocks[0][:] = -1.0
    assert field.min() == 0.0, "a block is the tile's own"


def test_a_step_is_a_checkpoint_when_the_last_of_its_parts_has_come(heat: Callable[[str], ModuleType]) -> None:
    kept, part = heat("checkpoints").Checkpoints(np.zeros((4, 6))), heat("tile").Part
    list(kept.blocks(Cartesian((1, 2))))
    assert not kept.add(part(1, 10, np.full((2, 2), 2.0)))
    assert not kept.add(part(1, 20, np.full((2, 2), 4.0)))
    assert (kept.step, kept.field.max()) == (0, 0.0)
    assert kept.add(part(0, 10, np.full((2, 2), 1.0)))
    assert kept.step == 10
    assert kept.field[1:-1, 1:-1].tolist() == [[1.0, 1.0, 2.0, 2.0]] * 2
    assert kept.add(part(0, 20, np.full((2, 2), 3.0)))
    assert (kept.step, kept.field[1, 1:-1].tolist()) == (20, [3.0, 3.0, 4.0, 4.0])


def test_parts_of_a_grid_that_was_given_up_are_in_no_checkpoint(heat: Callable[[str], ModuleType]) -> None:
    kept, part = heat("checkpoints").Checkpoints(np.zeros((4, 6))), heat("tile").Part
    list(kept.blocks(Cartesian((1, 3))))
    assert not kept.add(part(2, 10, np.full((2, 1), 9.0)))
    list(kept.blocks(Cartesian((1, 2))))
    assert not kept.add(part(0, 10, np.full((2, 2), 1.0)))
    assert kept.add(part(1, 10, np.full((2, 2), 2.0)))
    assert kept.field[1:-1, 1:-1].tolist() == [[1.0, 1.0, 2.0, 2.0]] * 2
