"""Reductions: how two values become one. Named ones are the same object on every node; any function of two will do.

A reduction is associative. Values are always folded in the order of ranks, so it need not be commutative, and a sum of
floats is the same bit for bit on every backing and at every member.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final


class Op:
    """A reduction by name: `function` for two values, `ufunc` the name of numpy's for two arrays."""

    def __init__(self, name: str, function: Callable[[Any, Any], Any], ufunc: str = "") -> None:
        self.name = name
        self._function = function
        self._ufunc = ufunc

    def __repr__(self) -> str:
        return self.name

    def __call__(self, left: Any, right: Any) -> Any:
        """One value of two; of two arrays element by element, in their type."""
        numpy = sys.modules.get("numpy")
        if self._ufunc and numpy is not None and isinstance(left, numpy.ndarray):
            return getattr(numpy, self._ufunc)(left, right).astype(left.dtype, copy=False)
        return self._function(left, right)


SUM: Final = Op("SUM", operator.add, "add")
PROD: Final = Op("PROD", operator.mul, "multiply")
MIN: Final = Op("MIN", min, "minimum")
MAX: Final = Op("MAX", max, "maximum")
LAND: Final = Op("LAND", lambda a, b: bool(a and b), "logical_and")
LOR: Final = Op("LOR", lambda a, b: bool(a or b), "logical_or")
LXOR: Final = Op("LXOR", lambda a, b: bool(a) != bool(b), "logical_xor")
BAND: Final = Op("BAND", operator.and_, "bitwise_and")
BOR: Final = Op("BOR", operator.or_, "bitwise_or")
BXOR: Final = Op("BXOR", operator.xor, "bitwise_xor")

Reduction = Callable[[Any, Any], Any]


def name_of(op: Reduction) -> str:
    """What members compare, to find out whether they reduce by the same."""
    return op.name if isinstance(op, Op) else str(getattr(op, "__qualname__", None) or repr(op))


def fold(op: Reduction, values: Sequence[Any]) -> Any:
    """All values as one, from the left."""
    return functools.reduce(op, values)


def prefixes(op: Reduction, values: Sequence[Any]) -> list[Any]:
    """For each value the fold of all up to it."""
    found = [values[0]]
    for value in values[1:]:
        found.append(op(found[-1], value))
    return found
