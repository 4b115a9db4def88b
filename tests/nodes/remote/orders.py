"""Every order in which messages may arrive, or every one that is near to the first, for a World in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: As many deviations as there may be.
ALL = 1 << 30


class Script:
    """Decides like dice, but from a list; what the list does not say is 0. It notes how many choices there were."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.width: list[int] = []

    def choice(self, options: list[Any]) -> Any:
        place = len(self.width)
        self.width.append(len(options))
        return options[self.script[place] if place < len(self.script) else 0]


def orders(deviations: int) -> Iterator[Script]:
    """Scripts that lead through every order that deviates at most so often from the first, depth first.

    Each is to be played before the next one is asked for. Delay bounding: Emmi, Qadeer and Rakamaric, POPL 2011.
    """
    script: list[int] = []
    while True:
        taken = Script(script)
        yield taken
        steps = (script + [0] * len(taken.width))[: len(taken.width)]
        while steps and not (steps[-1] + 1 < taken.width[len(steps) - 1] and sum(map(bool, steps[:-1])) < deviations):
            steps.pop()
        if not steps:
            return
        steps[-1] += 1
        script = steps
