"""The arguments and the result of a function as they cross a link, by its annotations.

Arguments are one tuple, of the types that the parameters declare; what has no annotation is untyped. Both nodes import
the same code, so both know the same types.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import CodecError
from .schema import Schema, schema_of

if TYPE_CHECKING:
    from .port import Port

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """A function, or a method without its `self`, that is called from another node."""

    def __init__(self, function: Callable[..., Any], *, skip: int = 0) -> None:
        self.name = getattr(function, "__qualname__", repr(function))
        try:
            self._hints = typing.get_type_hints(function)
        except (NameError, TypeError, AttributeError):
            self._hints = {}
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        self._signature = inspect.Signature(parameters)
        self._plain = [self._type(p) for p in parameters if p.kind in _POSITIONAL]
        rest = [self._type(p) for p in parameters if p.kind is p.VAR_POSITIONAL]
        self._rest = rest[0] if rest else None
        self._named = {p.name: self._type(p) for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.result: Schema = schema_of(self._hints.get("return", Any))

    def _type(self, parameter: inspect.Parameter) -> Any:
        return self._hints.get(parameter.name, Any)

    def returns(self, declared: Any) -> None:
        """The result is declared otherwise than the annotation says."""
        self.result = schema_of(declared)

    @property
    def declared_result(self) -> Any:
        """What the annotation says of the result."""
        return self._hints.get("return", Any)

    def _schema(self, count: int, names: tuple[str, ...]) -> Schema:
        plain = self._plain[:count]
        if count > len(plain):
            if self._rest is None:
                raise CodecError(f"{self.name} takes {len(plain)} arguments, not {count}")
            plain = plain + [self._rest] * (count - len(plain))
        try:
            types = (*plain, *(self._named[name] for name in names))
        except KeyError as error:
            raise CodecError(f"{self.name} takes no argument {error}") from None
        return _arguments(types)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any], port: Port) -> tuple[tuple[str, ...], bytes, Any]:
        """The names of those given by name only, the body and its buffers. TypeError: they do not fit the signature."""
        if kwargs:
            bound = self._signature.bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
        names = tuple(kwargs)
        schema = self._schema(len(args), names)
        values = (*args, *kwargs.values())
        self._check(values, names)
        body, buffers = schema.encode([values], port)
        return names, body, buffers

    def _check(self, values: tuple[Any, ...], names: tuple[str, ...]) -> None:
        """The outer type of each argument, before anything is sent."""
        for place, value in enumerate(values[: len(self._plain)] if not names else ()):
            schema_of(self._plain[place]).check(value)

    def decode(self, count: int, names: tuple[str, ...], body: Any, buffers: list[Any], port: Port) -> Any:
        """Positional arguments and those by name. CodecError."""
        values = self._schema(count, names).decode(body, buffers, port)
        if len(values) != 1:
            raise CodecError(f"{self.name}: {len(values)} sets of arguments")
        return values[0][:count], dict(zip(names, values[0][count:], strict=True))


@functools.lru_cache(maxsize=4096)
def _arguments(types: tuple[Any, ...]) -> Schema:
    return schema_of(tuple[types] if types else tuple[()])  # type: ignore[valid-type]


@functools.lru_cache(maxsize=4096)
def signature_of(function: Callable[..., Any], skip: int = 0) -> Signature:
    """The signature of a function, made once."""
    return Signature(function, skip=skip)
