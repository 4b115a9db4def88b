"""The program that is started: a file with a `main`, imported as the module `app` on every node.

All nodes must run the same code, so each says a hash of it when it links, and another one is refused.

Invariants
- What other nodes may have started here is what is hashed: the file, the modules beside it, and the regular packages
  beside it (folders with an `__init__.py`) with all that is importable in them. Nothing else in the folder is looked
  at, so a program may lie in a home folder or in /tmp.
- The program is one module: whoever imports it by the name of its file gets the same classes.
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


class AppError(ActorparError):
    """The program cannot be started: there is no such file, or no such `main` in it."""


@dataclass(frozen=True)
class Application:
    """A program: its file, and the name of the coroutine function that is called."""

    path: Path
    function: str = "main"

    @staticmethod
    def parse(text: str) -> Application:
        """The application of `app.py` or `app.py:name`. AppError."""
        path, function = Path(text), "main"
        if not path.is_file():
            file, colon, name = text.rpartition(":")
            if colon:
                path, function = Path(file), name
        if not path.is_file():
            raise AppError(f"{path.absolute()}: there is no such file")
        if not function.isidentifier():
            raise AppError(f"{text}: {function!r} is not the name of a function; write FILE:NAME")
        return Application(path.resolve(), function)

    @property
    def folder(self) -> Path:
        """Where the program lies; first on sys.path once it is loaded."""
        return self.path.parent

    def load(self) -> Any:
        """Import it as `app` and return its main. AppError; what its import raises goes to the caller."""
        self._check_name()
        folder = str(self.folder)
        if sys.path[:1] != [folder]:
            sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(MODULE, self.path)
        if spec is None or spec.loader is None:
            raise AppError(f"{self.path} is no Python file: its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        names = self._names()
        sys.modules.update(dict.fromkeys(names, module))
        try:
            spec.loader.exec_module(module)
        except BaseException:
            for name in names:
                sys.modules.pop(name, None)
            raise
        main = getattr(module, self.function, None)
        if not inspect.iscoroutinefunction(main):
            raise AppError(f"{self.path.name} has no `async def {self.function}()`; name another one as FILE:NAME")
        return main

    def _check_name(self) -> None:
        if self.path.stem == MODULE:
            return
        for hidden in (self.folder / f"{MODULE}.py", self.folder / MODULE / "__init__.py"):
            if hidden.exists():
                raise AppError(f"{self.path.name} is imported as `{MODULE}`, and {hidden} would be hidden: rename that")

    def _names(self) -> list[str]:
        """Under what the module is known: `app`, and its own name unless something else has that."""
        stem = self.path.stem
        taken = stem in sys.modules or stem in sys.stdlib_module_names or not stem.isidentifier()
        return [MODULE] if taken else [MODULE, stem]

    def modules(self) -> tuple[str, ...]:
        """The modules from which other nodes may have something started, each with those below it."""
        beside = {path.stem for path in _modules(self.folder)} | {path.name for path in _packages(self.folder)}
        return (MODULE, *sorted(beside - {MODULE, self.path.stem, "__init__"}))

    def fingerprint(self) -> bytes:
        """A hash of the code, the same wherever the folder lies."""
        digest = hashlib.sha256(self.path.name.encode())
        for path in sorted(self._files()):
            try:
                code = path.read_bytes()
            except OSError:  # it cannot be imported either
                continue
            digest.update(f"\0{path.relative_to(self.folder).as_posix()}\0{len(code)}\0".encode() + code)
        return digest.digest()

    def _files(self) -> set[Path]:
        files = {self.path, *_modules(self.folder)}
        for package in _packages(self.folder):
            files.update(_below(package))
        return files


def _modules(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*.py") if path.stem.isidentifier() and path.is_file())


def _packages(folder: Path) -> Iterator[Path]:
    return (path.parent for path in folder.glob("*/__init__.py") if path.parent.name.isidentifier())


def _below(package: Path) -> Iterator[Path]:
    """All that is importable in a package. Links to folders are followed once only: they may lead back."""
    yield from _modules(package)
    for folder in package.iterdir():
        if folder.name.isidentifier() and folder.name != "__pycache__" and folder.is_dir() and not folder.is_symlink():
            yield from _below(folder)
