"""What was promised of a GPU, and what was reached."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Figure:
    """One figure. `limit` None: it is told without a promise. `least`: the limit is the least that is promised."""

    name: str
    reached: float
    unit: str
    limit: float | None = None
    least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it keeps the promise."""
        if self.limit is None:
            return None
        return self.reached >= self.limit if self.least else self.reached <= self.limit

    def row(self) -> str:
        """As a line of the table."""
        goal = "" if self.limit is None else f"{'>=' if self.least else '<='} {self.limit:g} {self.unit}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return f"{self.name:66s} {goal:>14s} {self.reached:10.4g} {self.unit:5s} {verdict}"


@dataclass
class Run:
    """One run: where, what was measured in detail, and the figures. A part that fails is told, and the others go on."""

    about: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, reached: float, unit: str, limit: float | None = None, *, least: bool = False) -> None:
        """Add a figure, and print it."""
        figure = Figure(name, float(f"{reached:.5g}"), unit, limit, least)
        self.figures.append(figure)
        print(figure.row(), flush=True)

    def write(self, path: Path) -> None:
        """As JSON."""
        figures = [{**asdict(figure), "met": figure.met} for figure in self.figures]
        document = {"format": FORMAT, **self.about, "figures": figures, "failed": self.failed, "details": self.details}
        path.write_text(json.dumps(document, indent=1) + "\n")
