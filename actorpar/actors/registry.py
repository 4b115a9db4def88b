"""Names of actors, unique in their system (AC-50). An actor's names are free before anybody is told of its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .belongings import more_of
from .errors import ActorError, NameTaken

if TYPE_CHECKING:
    from .cell import Cell

#: What a name may consist of; it appears in logs, metrics and on terminals.
NAME = re.compile(r"[A-Za-z0-9_.:/@+-]{1,200}")


class InvalidName(ActorError, ValueError):
    """A name is 1 to 200 characters out of letters, digits and `_ . : / @ + -`."""


def checked_name(name: object) -> str:
    """The name, if it is one."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise InvalidName(f"{name!r} is no name: use 1 to 200 letters, digits and _ . : / @ + -")
    return name


class Registry:
    """The names of one system."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell] = {}

    def register(self, name: str, cell: Cell) -> None:
        """Give a living actor a name; NameTaken if another has it. An actor may have several."""
        owner = self._cells.setdefault(checked_name(name), cell)
        if owner is not cell:
            raise NameTaken(f"the name {name!r} belongs to {owner!r}; stop it first, or choose another name")
        names = more_of(cell).names
        if name not in names:
            names.append(name)

    def unregister(self, name: str) -> None:
        """Take a name back; unknown names are ignored."""
        cell = self._cells.pop(name, None)
        if cell is not None and cell.more is not None:
            cell.more.names.remove(name)

    def find(self, name: str) -> Cell | None:
        """The living actor of that name."""
        return self._cells.get(name)

    def release(self, cell: Cell) -> None:
        """The actor has ended: all its names are free. It keeps the first for its `repr`."""
        if cell.more is not None:
            for name in cell.more.names:
                self._cells.pop(name, None)

    def names(self) -> list[str]:
        """All names, in the order in which they were registered."""
        return list(self._cells)
