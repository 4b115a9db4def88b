"""Code travels by name: what another node is to run is imported there, from the modules that it was told to serve.

Invariant: a name leads only to an `async def` function or an Actor class that was defined, under that very name, in a
module that is served. So no name leads to what such a module has merely imported.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..actors.actor import Actor
from ..nodes.errors import NotImportable

#: What every node serves: the worker that calls functions of what it serves.
OWN: Final = ("actorpar.parallel.worker",)


def name_of(target: Any, *, by_child: bool = False) -> str:
    """`module:qualified.name` of a function or class that another node can import. NotImportable.

    `by_child`: it is for a process that this one starts, which has the program, too.
    """
    if isinstance(target, functools.partial):
        raise NotImportable(f"{target!r}: a partial cannot travel; give the arguments themselves")
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    if not module or not name or "<" in name:
        raise NotImportable(f"{target!r} has no name under which another node can import it: define it in a module")
    if module == "__main__" and not by_child:
        raise NotImportable(
            f"{name} is defined in the program that was started, which other nodes cannot import: start it with "
            "`actorpar run FILE`, or define it in a module"
        )
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not target:
        raise NotImportable(f"{module}:{name} is something else than {target!r}: another node would run that")
    return f"{module}:{name}"


def resolve(name: str, served: Iterable[str]) -> Any:
    """The `async def` function or the Actor class of a name, from the modules that are served and those below them.

    NotImportable.
    """
    found = _found(name, served)
    if not is_actor(found) and not inspect.iscoroutinefunction(found):
        raise NotImportable(f"{name} is neither an Actor class nor an `async def` function")
    return found


def class_of(name: str, served: Iterable[str]) -> type:
    """The class of a name, whatever it is, from the modules that are served. NotImportable."""
    found = _found(name, served)
    if not isinstance(found, type):
        raise NotImportable(f"{name} is no class")
    return found


def name_of_class(cls: type) -> str:
    """The name of a class, by which `class_of` finds it if it can be imported."""
    return f"{cls.__module__}:{cls.__qualname__}"


def resolve_function(name: str, served: Iterable[str] | None) -> Callable[..., Any]:
    """The function of a name, plain or not; None serves every module, those written in C too. NotImportable."""
    found = _found(name, served)
    if not (inspect.isfunction(found) or (served is None and inspect.isbuiltin(found))):
        raise NotImportable(f"{name} is no function")
    return found


def _found(name: str, served: Iterable[str] | None) -> Any:
    module, _, path = name.partition(":")
    is_served = served is None or any(module == each or module.startswith(each + ".") for each in (*OWN, *served))
    if not path or not is_served:
        raise NotImportable(f"{name}: this node does not serve the module {module!r}")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            if part.startswith("__"):
                raise AttributeError(part)
            found = getattr(found, part)
    except Exception as error:  # an import runs the program's code, which may raise anything
        raise NotImportable(f"{name!r} cannot be imported here: {type(error).__name__}: {error}") from None
    # A process that multiprocessing has started knows its program by two names.
    homes = (module, "__mp_main__") if module == "__main__" else (module,)
    if getattr(found, "__module__", None) not in homes or getattr(found, "__qualname__", None) != path:
        raise NotImportable(f"{name} was not defined there under that name")
    return found


def is_actor(target: Any) -> bool:
    """True for an Actor class."""
    return isinstance(target, type) and issubclass(target, Actor)
