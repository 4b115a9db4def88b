"""What stands in the output folders, read once per folder: a run of 100 000 files asks the disk for none of them.

Only hashes of names are kept. A file that others make meanwhile is not in it; the landing never overwrites one.
"""

from __future__ import annotations

import os

from .names import key_of

_FOLDERS = 512


class Listing:
    """The names below a directory when the run first looked."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, frozenset[int]] = {}

    def has(self, name: str) -> bool:
        """Whether the relative path `name` stood there. False is certain but for what others do meanwhile."""
        folder, _, last = name.rpartition("/")
        names = self._folders.get(folder)
        if names is None:
            names = self.read(folder)
        return bool(names) and key_of(last) in names

    def read(self, folder: str = "") -> frozenset[int]:
        """Read a folder now; blocks."""
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                names = frozenset(key_of(entry.name) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            names = frozenset()
        if len(self._folders) >= _FOLDERS:
            del self._folders[next(iter(self._folders))]
        self._folders[folder] = names
        return names
