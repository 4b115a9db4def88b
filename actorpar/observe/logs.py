"""Logs of actors through `logging` of the standard library, with the actor's name on each record.

`self.ctx.log` sets `record.actor`. `ActorNames(system)` is a filter for a handler that sets it on every other record
too, whatever logger it comes from: the actor whose handler logs, or "-" outside of all actors. The formatters write one
line for each record, whatever is in it (A16): JSON, which the standard library has no formatter for, or plain text.

    handler = logging.StreamHandler()
    handler.addFilter(ActorNames(system))
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from .text import printable

if TYPE_CHECKING:
    from ..system import ActorSystem

#: What every record has; everything else on it was put there by `extra=`.
_USUAL: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "actor"}
#: Characters of a message, and of a traceback, that are written.
LINE: Final = 16_384


class ActorNames(logging.Filter):
    """Sets `record.actor` where it is missing. Lets every record pass."""

    def __init__(self, system: ActorSystem) -> None:
        super().__init__()
        self._system = system

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the name of the actor that logs."""
        if not hasattr(record, "actor"):
            running = self._system.running()
            record.actor = "-" if running is None else running.name
        return True


class JsonLines(logging.Formatter):
    """One JSON object on one line of ASCII: time, level, logger, actor, message, what `extra=` added, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; a value that JSON does not know is written as its `str`."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "actor": getattr(record, "actor", "-"),
            "message": record.getMessage()[:LINE],
        }
        told.update((name, value) for name, value in vars(record).items() if name not in _USUAL and name not in told)
        failure = _failure(self, record)
        if failure:
            told["exception"] = failure[-LINE:]
        return json.dumps(told, default=str)


class PlainLines(logging.Formatter):
    """`time level logger actor: message` on one line; line breaks and what is not printable are written as escapes.

    A traceback follows on lines of its own, each indented, so that no line of it can be taken for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and those of its traceback."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        actor = printable(str(getattr(record, "actor", "-")))
        line = f"{time} {record.levelname} {printable(record.name)} {actor}: {printable(record.getMessage(), LINE)}"
        failure = _failure(self, record)[-LINE:]
        return "\n".join([line, *("    " + printable(part, LINE) for part in failure.splitlines())])


def _failure(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback of a record as text, empty if it has none."""
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)
