"""A supervisor as a list of children: what must run after which events. OTP's rules in eighty lines, without any time.

Everything happens at once here: children start and stop in no time, and one event is over before the next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from .trees import Branch, Leaf, Tree

End = Literal["normal", "shutdown", "abnormal"]


@dataclass
class Child:
    """A child in the list: its part of the tree, and what runs of it: True for a leaf, its model for a supervisor."""

    path: str
    tree: Tree
    runs: Any = None


class Model:
    """The supervisor at a path."""

    def __init__(self, path: str, tree: Branch, failing: Counter[str]) -> None:
        self.path = path
        self.tree = tree
        self.failing = failing  # how many of the next starts of a leaf fail
        self.attempts: list[float] = []
        self.children = [Child(f"{path}.{place}", child) for place, child in enumerate(tree.initial)]

    def starts(self) -> bool:
        """Start the children in order; False if one cannot (AC-34)."""
        return all(self.start(child) for child in self.children)

    def start(self, child: Child) -> bool:
        """Start a child. False: it cannot."""
        if isinstance(child.tree, Leaf):
            if self.failing[child.path]:
                self.failing[child.path] -= 1
                return False
            child.runs = True
            return True
        inner = Model(child.path, child.tree, self.failing)
        if inner.starts():
            child.runs = inner
            return True
        return False

    def find(self, path: str) -> Child | None:
        return next((child for child in self.children if child.path == path), None)

    def ended(self, child: Child, end: End, now: float) -> bool:
        """A child has ended by itself. False: the supervisor ends, with `shutdown` (AC-37, AC-43)."""
        child.runs = None
        if child.tree.restart == "permanent" or (child.tree.restart == "transient" and end == "abnormal"):
            return self.restart(child, now)
        if child.tree.restart == "temporary" or self.tree.strategy == "dynamic":
            self.children.remove(child)
        if not child.tree.significant:
            return True
        others = any(other.runs and other.tree.significant for other in self.children)
        return self.tree.auto_shutdown == "all" and others

    def restart(self, child: Child, now: float) -> bool:
        """Restart a child and those that go with it, until it succeeds. False: too many attempts (AC-38, AC-39)."""
        while True:
            self.attempts = [time for time in self.attempts if now - time <= self.tree.period] + [now]
            if len(self.attempts) > self.tree.intensity:
                return False
            place = self.children.index(child)
            group = {
                "one_for_one": [child], "dynamic": [child], "one_for_all": list(self.children),
                "rest_for_one": self.children[place:],
            }[self.tree.strategy]  # fmt: skip
            for member in group:
                member.runs = None
            for member in group:
                if member.tree.restart == "temporary":
                    self.children.remove(member)
            failed = next((each for each in group if each.tree.restart != "temporary" and not self.start(each)), None)
            if failed is None:
                return True
            child = failed

    def snapshot(self) -> list[Any]:
        """What runs, as nested lists."""
        return [
            (child.path, child.runs.snapshot() if isinstance(child.runs, Model) else bool(child.runs))
            for child in self.children
        ]


def supervisors(model: Model) -> list[Model]:
    """The model and all that run below it, each before its children."""
    inner = [child.runs for child in model.children if isinstance(child.runs, Model)]
    return [model, *(below for each in inner for below in supervisors(each))]


def end_of(root: Model, owner: Model, child: Child, end: End, now: float) -> bool:
    """A child of a supervisor somewhere in the tree has ended. False: so has the root, in the end."""
    if owner.ended(child, end, now):
        return True
    for above in supervisors(root):
        for its in above.children:
            if its.runs is owner:
                return end_of(root, above, its, "shutdown", now)
    return False
