"""The arguments and the result of a function as they cross a link, by its annotations.

Arguments are one tuple, of the types that the parameters declare: those of the plain parameters, then one list for
`*args` if the function has it, then those given by name, in the order of the signature. What has no annotation, or one
that cannot be evaluated, is untyped. Both nodes import the same code, so both know the same types.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import CodecError
from .schema import Schema, schema_of

if TYPE_CHECKING:
    from .port import Port

#: What evaluating an annotation may raise.
FAILURES = (NameError, TypeError, AttributeError, SyntaxError)
#: Combinations of arguments by name whose schemas are kept.
KEPT = 256
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """A function, or a method without its `self`, that is called from another node."""

    def __init__(self, function: Callable[..., Any], *, skip: int = 0) -> None:
        self.name = getattr(function, "__qualname__", repr(function))
        self._hints = _hints_of(function)
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        self._signature = inspect.Signature(parameters)
        self._plain = [self._type(p) for p in parameters if p.kind in _POSITIONAL]
        rest = [self._type(p) for p in parameters if p.kind is p.VAR_POSITIONAL]
        self._rest = rest[0] if rest else None
        self._named = {p.name: self._type(p) for p in parameters if p.kind is p.KEYWORD_ONLY}
        self._schemas: dict[tuple[int, tuple[str, ...]], Schema] = {}
        self._checks = [_check_of(declared) for declared in self._plain]
        self._result = self.declared_result

    def _type(self, parameter: inspect.Parameter) -> Any:
        return self._hints.get(parameter.name, Any)

    @property
    def declared_result(self) -> Any:
        """What the annotation says of the result."""
        return self._hints.get("return", Any)

    @functools.cached_property
    def result(self) -> Schema:
        """How the result crosses. If it cannot, encoding and decoding it say so."""
        try:
            return schema_of(self._result)
        except CodecError as error:
            return Refused(error)

    def returns(self, declared: Any) -> None:
        """The result is declared otherwise than the annotation says."""
        self._result = declared
        self.__dict__.pop("result", None)

    def _schema(self, count: int, names: tuple[str, ...]) -> Schema:
        """The schema of so many arguments by position and these by name. CodecError: the function has no such."""
        plain = min(count, len(self._plain))
        known = self._schemas.get((count if self._rest is None else plain, names))
        if known is not None:
            return known
        if count < 0 or (count > plain and self._rest is None):
            raise CodecError(f"{self.name} takes {len(self._plain)} arguments, not {count}")
        for name in names:
            if name not in self._named:
                raise CodecError(f"{self.name} takes no argument {name!r:.100}")
        if [name for name in self._named if name in names] != list(names):
            raise CodecError(f"{self.name}: its arguments by name came in another order")
        rest = [] if self._rest is None else [list[self._rest]]  # type: ignore[name-defined]
        types = (*self._plain[:plain], *rest, *map(self._named.__getitem__, names))
        schema = schema_of(tuple[types] if types else tuple[()])  # type: ignore[valid-type]
        if len(self._schemas) >= KEPT:
            self._schemas.clear()
        self._schemas[count if self._rest is None else plain, names] = schema
        return schema

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any], port: Port) -> tuple[tuple[str, ...], bytes, Any]:
        """The names of those given by name only, the body and its buffers.

        TypeError: they do not fit the signature. ItemTypeError: one is not of its outer type (NET-8). CodecError.
        """
        names: tuple[str, ...] = ()
        if kwargs:
            bound = self._signature.bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
            names = tuple(kwargs)
        schema = self._schema(len(args), names)
        for check, value in zip(self._checks, args, strict=False):
            if check is not None:
                check(value)
        if names or self._rest is not None:
            plain = args[: len(self._plain)]
            args = (*plain, *(() if self._rest is None else (list(args[len(plain) :]),)), *kwargs.values())
        body, buffers = schema.encode([args], port)
        return names, body, buffers

    def encode_calls(self, calls: list[tuple[Any, ...]], port: Port) -> tuple[bytes, Any]:
        """Body and buffers of several calls with equally many plain arguments each. Raises as `encode` does."""
        schema = self._schema(len(calls[0]), ())
        for args in calls:
            for check, value in zip(self._checks, args, strict=False):
                if check is not None:
                    check(value)
        if self._rest is not None:
            plain = len(self._plain)
            calls = [(*args[:plain], list(args[plain:])) for args in calls]
        return schema.encode(calls, port)

    def count(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """How many plain arguments a call has once those by name stand in their places. TypeError: they do not fit."""
        if not kwargs and len(args) == len(self._plain) and not self._named:
            return len(args)
        return len(self._signature.bind(*args, **kwargs).args)

    def decode(self, count: int, names: tuple[str, ...], body: Any, buffers: list[Any], port: Port) -> Any:
        """Positional arguments and those by name. CodecError."""
        calls = self.decode_calls(count, names, body, buffers, port)
        if len(calls) != 1:
            raise CodecError(f"{self.name}: {len(calls)} sets of arguments")
        return calls[0]

    def decode_calls(
        self, count: int, names: tuple[str, ...], body: Any, buffers: list[Any], port: Port
    ) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """The same for several calls. CodecError."""
        calls = self._schema(count, names).decode(body, buffers, port)
        if not names and self._rest is None:
            return [(values, {}) for values in calls]
        return [self._arguments(count, names, values) for values in calls]

    def _arguments(self, count: int, names: tuple[str, ...], values: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args = values[: min(count, len(self._plain))]
        rest = len(args)
        if self._rest is not None:
            args = (*args, *values[rest])
            rest += 1
            if len(args) != count:
                raise CodecError(f"{self.name}: {len(args)} arguments came, and {count} were told")
        return args, dict(zip(names, values[rest:], strict=True))


class Refused(Schema):
    """The schema of a type that no link can carry."""

    def __init__(self, why: CodecError) -> None:
        super().__init__(None)
        self._why = why

    def encode(self, items: list[Any], port: Port) -> tuple[bytes, list[Any]]:
        """CodecError."""
        raise CodecError(str(self._why))

    def decode(self, body: Any, buffers: list[Any], port: Port) -> list[Any]:
        """CodecError."""
        raise CodecError(str(self._why))


def _hints_of(function: Any) -> dict[str, Any]:
    """The annotations that can be evaluated; those of the others are names that only type checkers import."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except FAILURES:
        pass
    hints: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(inspect.unwrap(function)).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints |= typing.get_type_hints(one, globalns=getattr(function, "__globals__", {}), include_extras=True)
        except FAILURES:
            continue
    return hints


def _check_of(declared: Any) -> Callable[[Any], None] | None:
    """The check of an argument before it is sent; None where anything may be, or nothing."""
    try:
        schema = schema_of(declared)
    except CodecError:
        return None
    return None if schema.outer is None else schema.check


@functools.lru_cache(maxsize=4096)
def signature_of(function: Callable[..., Any], skip: int = 0) -> Signature:
    """The signature of a function, made once."""
    return Signature(function, skip=skip)
