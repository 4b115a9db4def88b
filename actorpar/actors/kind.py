"""What the runtime knows about an actor class, found out once for all its actors.

Invariants
- `messages` maps the functions by which a message may be named, the class's own and those it overrides, to what is
  called: `ref.ask(Base.add, 1)` reaches the `add` of the subclass.
- `one` and `none` hold the messages that may be told with exactly one plain argument, or with none: the way of most
  messages, which needs no look at a signature. `inline` holds those that may be asked inside the asker's step (AC-1).
  All three are empty in the kind of an actor that is traced, so that the hot path needs no test for that.
- `carrying` holds what is called for messages whose arguments may hold ends of channels, by their types. They are in
  none of the three: such ends move as the message is put into the mailbox (NET-20).
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, cast

from ..channels import env
from ..channels.carrying import mover_of
from .actor import Actor
from .errors import BadArguments, InvalidActor, UnhandledMessage
from .reason import describe

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_EMPTY = inspect.Parameter.empty


class Message:
    """One message of an actor class. `least` and `most` are how many plain arguments it takes without names."""

    __slots__ = ("carries", "function", "is_async", "least", "most", "name", "needs_names", "signature")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.signature = inspect.signature(function)
        parameters = list(self.signature.parameters.values())[1:]
        plain = [p for p in parameters if p.kind in _POSITIONAL]
        self.needs_names = any(p.kind is p.KEYWORD_ONLY and p.default is _EMPTY for p in parameters)
        self.least = sum(p.default is _EMPTY for p in plain)
        self.most = 255 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(plain)
        self.function = in_thread(function) if getattr(function, "_actorpar_blocking", False) else function
        self.is_async = inspect.iscoroutinefunction(self.function)
        self.carries = any(mover_of(hint) is not None for hint in _hints_of(function, parameters))

    def check(self, owner: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise BadArguments unless the message may be called like this."""
        if not kwargs and not self.needs_names and self.least <= len(args) <= self.most:
            return
        try:
            self.signature.bind(None, *args, **kwargs)
        except TypeError as error:
            raise BadArguments(f"{owner}.{self.name}{self.signature}: {error}; nothing was sent") from None


class Kind:
    """An actor class as the runtime sees it."""

    __slots__ = (
        "_traced",
        "carrying",
        "cls",
        "hooks",
        "inline",
        "mailbox",
        "messages",
        "name",
        "none",
        "one",
        "places",
        "reentrant",
        "starts",
        "stash",
    )

    def __init__(self, cls: type[Actor]) -> None:
        self.cls = cls
        self.name = cls.__qualname__.rpartition("<locals>.")[2]
        self.mailbox = cls._mailbox
        self.places = 2 * cls._mailbox  # of the list that is the mailbox: two for each message
        self.reentrant = cls._reentrant
        self._traced: Kind | None = None
        self.stash = cls._stash
        self.hooks = {name for name in _HOOKS if getattr(cls, name) is not getattr(Actor, name)}
        self.starts = "on_start" in self.hooks or "on_restart" in self.hooks
        self.messages: dict[Callable[..., Any], Message] = {}
        for name, named in _functions_of(cls).items():
            message = Message(name, named[0])
            _check_message(cls, message, named[0])
            self.messages.update(dict.fromkeys(named, message))
        self.carrying = frozenset(message.function for message in self.messages.values() if message.carries)
        usual = [(f, message) for f, message in self.messages.items() if not (message.needs_names or message.carries)]
        self.one = {f: m.function for f, m in usual if m.least <= 1 <= m.most}
        self.none = {f: m.function for f, m in usual if m.least == 0}
        self.inline = {} if self.reentrant else {f: (m.function, m.is_async, m.least, m.most) for f, m in usual}

    def traced(self) -> Kind:
        """The same class for an actor whose every message is looked at."""
        if self._traced is not None:
            return self._traced
        other = object.__new__(Kind)
        for slot in Kind.__slots__:
            setattr(other, slot, getattr(self, slot))
        other.one, other.none, other.inline = {}, {}, {}
        self._traced = other._traced = other
        return other

    def message(self, method: Any) -> Message:
        """The message that `method` names; UnhandledMessage if there is none."""
        try:
            return self.messages[method]
        except (KeyError, TypeError):
            raise self._unknown(method) from None

    def _unknown(self, method: Any) -> UnhandledMessage:
        name = getattr(method, "__qualname__", None) or name_of(method)
        known = ", ".join(sorted({message.name for message in self.messages.values()})) or "none"
        hint = ""
        if inspect.ismethod(method) and method.__func__ in self.messages:
            hint = f"; name it {self.name}.{method.__name__}, from the class, not from an object"
        return UnhandledMessage(f"{name} is no message of {self.name}{hint}. Its messages: {known}")


_HOOKS = ("on_start", "on_stop", "on_failure", "on_restart", "on_down", "on_exit", "on_withdrawn")


def kind_of(cls: type[Actor]) -> Kind:
    """The kind of an actor class, made at its first spawn; InvalidActor if the class cannot work."""
    kind = cls.__dict__.get("_kind")
    if kind is None:
        if "_cell" in cls.__dict__ or "ctx" in cls.__dict__:
            raise InvalidActor(f"{cls.__qualname__} defines ctx or _cell, by which the runtime is reached: rename it")
        kind = Kind(cls)
        cls._kind = kind  # type: ignore[attr-defined]
    return cast(Kind, kind)


def in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The handler that runs a blocking function in a thread and awaits it."""

    @functools.wraps(function)
    async def handler(*args: Any, **kwargs: Any) -> Any:
        return await env.run_in_thread(functools.partial(function, *args, **kwargs))

    return handler


def _hints_of(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> list[Any]:
    """The types of the arguments; their texts, if they name what cannot be found from here."""
    annotations = [p.annotation for p in parameters if p.annotation is not _EMPTY]
    if not any(isinstance(annotation, str) for annotation in annotations):
        return annotations
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        return annotations
    return [hints[p.name] for p in parameters if p.name in hints]


def _functions_of(cls: type) -> dict[str, list[Callable[..., Any]]]:
    """The public functions of the class by name, each with those that it overrides, the nearest first."""
    found: dict[str, list[Callable[..., Any]]] = {}
    for base in cls.__mro__:
        if base in (Actor, object):
            continue
        for name, value in vars(base).items():
            if inspect.isfunction(value) and not name.startswith(("_", "on_")):
                found.setdefault(name, []).append(value)
    return {name: named for name, named in found.items() if inspect.isfunction(getattr(cls, name, None))}


def _check_message(cls: type, message: Message, function: Callable[..., Any]) -> None:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidActor(
            f"{cls.__qualname__}.{message.name} is a generator, which cannot be a message: return a list, or take a "
            "Sender as an argument and send the items to it; a name with a leading underscore is no message"
        )
    if getattr(function, "_actorpar_blocking", False) and inspect.iscoroutinefunction(function):
        raise InvalidActor(f"{cls.__qualname__}.{message.name}: @blocking is for a plain def, and this is async")


def name_of(function: Any) -> str:
    """How a handler is called in logs and dead letters."""
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else describe_handler(function)


def describe_handler(function: Any) -> str:
    """The `repr` of something that is called as a handler and has no name."""
    try:
        return repr(function)
    except Exception as error:
        return describe(error)
