"""What is to be computed: the options of the environment, and the grid of tiles that they allow."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from plate import Field

import actorpar as ap


class BadProblem(ap.ActorparError):
    """What was asked for cannot be computed; the text says why, and what can."""


@dataclass(frozen=True)
class Problem:
    """What is to be computed, and how. BadProblem."""

    rows: int = 300
    columns: int = 400
    steps: int = 2000
    every: int = 200
    tiles: int = 0
    nodes: int = 0

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise BadProblem(f"HEAT_{name.upper()} is {getattr(self, name)}, and must be at least {least}")

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Problem":
        """The problem of HEAT_… in the environment."""
        told = {name: environment[f"HEAT_{name.upper()}"] for name in LEAST if environment.get(f"HEAT_{name.upper()}")}
        for name, text in told.items():
            if not text.isdecimal():
                raise BadProblem(f"HEAT_{name.upper()} is a whole number, not {text!r}")
        return Problem(**{name: int(text) for name, text in told.items()})

    def grid(self, nodes: int) -> ap.Cartesian:
        """The grid of the tiles: one for each node, or as many as there are cells for, or as was asked. BadProblem."""
        inner = (self.rows - 2, self.columns - 2)
        for size in [self.tiles] if self.tiles else range(nodes, 0, -1):
            grid = ap.Cartesian(ap.balanced_dims(size, 2))
            if grid.dims[0] <= inner[0] and grid.dims[1] <= inner[1]:
                return grid
        raise BadProblem(
            f"HEAT_TILES is {self.tiles}, and inside its rim the plate has {inner[0]} x {inner[1]} cells, too few for "
            f"{' x '.join(map(str, ap.balanced_dims(self.tiles, 2)))} tiles: ask for fewer, or for a larger plate"
        )

    def told(self, field: Field) -> str:
        """What is printed of a result: a line that no other field has."""
        digest = hashlib.sha256(field.tobytes()).hexdigest()
        return f"{self.rows} x {self.columns} cells after {self.steps} steps: mean {field.mean():.6f}, {digest}"


#: The options, and the least that each may be.
LEAST = {"rows": 3, "columns": 3, "steps": 0, "every": 1, "tiles": 0, "nodes": 0}
