"""The program that is started: a file with a `main`, imported as the module `app` on every node.

All nodes must run the same code, so each says a hash of it when it links, and another one is refused.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..channels.errors import ActorparError

MODULE: Final = "app"
#: Files that are hashed at most; a program that lies in a folder of more is not what is meant.
MOST_FILES: Final = 2000


class AppError(ActorparError):
    """The program cannot be started: its file, its `main`, or an import in it."""


@dataclass(frozen=True)
class Application:
    """A program: its file, and the name of the coroutine function that is called."""

    path: Path
    function: str = "main"

    @staticmethod
    def parse(text: str) -> Application:
        """The application of `app.py` or `app.py:name`. AppError."""
        file, colon, function = text.rpartition(":")
        path = Path(file if colon else text).resolve()
        if not path.is_file():
            raise AppError(f"{path}: there is no such file")
        return Application(path, function if colon else "main")

    def load(self) -> Any:
        """Import it as `app`, its folder first on sys.path, and return its main. AppError."""
        folder = str(self.path.parent)
        if sys.path[:1] != [folder]:
            sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(MODULE, self.path)
        if spec is None or spec.loader is None:
            raise AppError(f"{self.path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[MODULE] = module
        spec.loader.exec_module(module)
        main = getattr(module, self.function, None)
        if not inspect.iscoroutinefunction(main):
            raise AppError(f"{self.path.name} has no `async def {self.function}()`; name another one as FILE:NAME")
        return main

    def modules(self) -> tuple[str, ...]:
        """The modules from which other nodes may have something started: the file, and those beside it."""
        beside = {path.stem for path in self.path.parent.glob("*.py")}
        beside |= {path.parent.name for path in self.path.parent.glob("*/__init__.py")}
        return (MODULE, *sorted(beside))

    def fingerprint(self) -> bytes:
        """A hash of the code: of the Python files in the folder of the program and below it."""
        digest = hashlib.sha256(self.path.name.encode())
        for path in self._files():
            digest.update(str(path.relative_to(self.path.parent)).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.digest()

    def _files(self) -> list[Path]:
        files = sorted(_python_files(self.path.parent))
        return files if len(files) <= MOST_FILES else [self.path]


def _python_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.is_symlink():
            continue
        if path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from _python_files(path)
        elif path.suffix == ".py":
            yield path
