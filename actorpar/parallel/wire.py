"""Calls of a function on their way to a worker, and their outcomes on the way back.

Several calls of one function travel as one job. Arguments are encoded by the signature of the function, results by what
it is declared to return; so they are checked where they arrive, and nothing is pickled.
"""

from __future__ import annotations

import traceback
from typing import Any, Final, NamedTuple, TypeAlias

from ..actors.errors import Reject
from ..nodes.codec.port import NoPort
from ..nodes.codec.signature import Signature
from ..nodes.errors import CodecError, RemoteError
from ..nodes.protocol.inbound import MESSAGE_LIMIT

#: What crosses to a worker: number, function, how many plain arguments each call has, the names of the others, and the
#: calls.
Job: TypeAlias = tuple[int, str, int, tuple[str, ...], bytes, list[memoryview]]
#: What failed: the place of the call in its job, what happened (`kind` and text), and how: "reject" or "raised".
Failed: TypeAlias = tuple[int, str, str, str, str]
#: What comes back: number, the results, what failed, and the seconds that it took.
Done: TypeAlias = tuple[int, bytes, list[memoryview], list[Failed], float]

_PORT = NoPort()
#: Bytes that the calls of a job, or their results, may have: what a link takes, less what a job says of itself.
MOST: Final = MESSAGE_LIMIT - (1 << 20)
#: In the place of the call: all of the job.
ALL: Final = -1
#: No results, encoded.
NO_VALUES: Final = b"\x90"


class Failure(NamedTuple):
    """The outcome of a call that raised."""

    error: Exception


Outcome: TypeAlias = "Any | Failure"


def encode_calls(
    signature: Signature, calls: list[tuple[Any, ...]], kwargs: dict[str, Any]
) -> tuple[int, tuple[str, ...], bytes, list[Any]]:
    """The calls of a job: how many plain arguments each has, the names of the others, body and buffers.

    All have equally many arguments; `kwargs` are those of an only call. TypeError: they do not fit the function.
    CodecError, ItemTypeError.
    """
    count = signature.count(calls[0], kwargs)
    names: tuple[str, ...] = ()
    if kwargs:
        names, body, buffers = signature.encode(calls[0], kwargs, _PORT)
    else:
        body, buffers = signature.encode_calls(calls, _PORT)
    _check_size("the arguments", signature, len(calls), size_of_job(body, buffers))
    return count, names, body, buffers


def size_of_job(body: bytes, buffers: list[Any]) -> int:
    """Bytes of what is encoded."""
    return len(body) + sum(map(len, buffers)) if buffers else len(body)


def _check_size(what: str, signature: Signature, calls: int, size: int) -> None:
    if size > MOST:
        raise CodecError(
            f"{what} of {calls} calls of {signature.name} have {size} bytes, and at most {MOST} travel together: "
            + ("take fewer in a chunk" if calls > 1 else "give them in parts, or in a file")
        )


def decode_calls(signature: Signature, job: Job) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Positional arguments and those by name, for each call. CodecError."""
    _, _, count, names, body, buffers = job
    return signature.decode_calls(count, names, body, buffers, _PORT)


def encode_outcomes(signature: Signature, outcomes: list[Outcome]) -> tuple[bytes, list[Any], list[Failed]]:
    """Body and buffers of the results, and what failed; a result that cannot be encoded fails its call.

    CodecError: together they are too large.
    """
    failed = {place: each.error for place, each in enumerate(outcomes) if isinstance(each, Failure)}
    try:
        values = [value for place, value in enumerate(outcomes) if place not in failed]
        body, buffers = signature.result.encode(values, _PORT)
    except CodecError:
        values = []
        for place, value in enumerate(outcomes):
            if place not in failed:
                try:
                    signature.result.encode([value], _PORT)
                    values.append(value)
                except CodecError as error:
                    failed[place] = error
        body, buffers = signature.result.encode(values, _PORT)
    _check_size("the results", signature, len(outcomes), size_of_job(body, buffers))
    return body, buffers, [_told(place, error) for place, error in sorted(failed.items())]


def decode_outcomes(signature: Signature, done: Done, count: int) -> list[Outcome]:
    """The outcomes of a job of so many calls, in their order. CodecError."""
    _, body, buffers, failed, _ = done
    values = signature.result.decode(body, buffers, _PORT)
    if not failed:
        return values
    errors = {place: Failure(_error(told)) for place, *told in failed}
    if ALL in errors:
        return [errors[ALL]] * count
    rest = iter(values)
    return [errors[place] if place in errors else next(rest) for place in range(count)]


def _told(place: int, error: Exception) -> Failed:
    how = "reject" if isinstance(error, Reject) else "raised"
    try:
        text = str(error)[:4096]
    except Exception:
        text = ""
    # The worker is the program's own: where the function raised is told to who called it, as a thread would.
    return place, how, type(error).__name__, text, "".join(traceback.format_exception(error))[-8192:]


def _error(told: list[str]) -> Exception:
    how, kind, text, details = told
    cause = RemoteError(kind, text, details=details)
    cause.add_note(f"in the worker:\n{details}")
    if how != "reject":
        return cause
    error = Reject(text)
    error.__cause__ = cause
    return error


def refuse(job: Job, error: Exception) -> Done:
    """What comes back for a job that cannot be begun: all its calls have failed alike."""
    return job[0], NO_VALUES, [], [_told(ALL, error)], 0.0
