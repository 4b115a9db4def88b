"""Messages put aside, to be handled later: `ctx.stash()` and `ctx.unstash_all()` (AC-11).

The message in hand is not kept anywhere while it is handled, for that would cost every message; it is looked up here.
So `stash` stands before anything else in a handler: after its first await nobody knows the message any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .belongings import more_of
from .entry import Call, Entry, Letter
from .errors import ActorError, StashFull
from .kind import name_of
from .request import LAZY, Request
from .runner import TaskRunner
from .states import IDLE

if TYPE_CHECKING:
    from .cell import Cell


def stash(cell: Cell, request: Request | None) -> Request | None:
    """Put the message in hand aside; `request` is what it is to answer. Returns what the handler has in hand now."""
    more = more_of(cell)
    letters = more.stash = more.stash or []
    if len(letters) >= cell.kind.stash:
        raise StashFull(f"{cell.name} has stashed {len(letters)} messages: unstash earlier, or raise stash=")
    if request is not None and request is not LAZY and request.deferred:
        raise ActorError(f"{cell.name}: the message in hand was stashed, deferred or forwarded already")
    letter = _in_hand(cell, request)
    turn = cell.dispatcher
    if letters and (letters[-1] is letter or (turn.draining is cell and turn.stashed == _place(cell)[1])):
        raise ActorError(f"{cell.name}: the message in hand was stashed already")
    if turn.draining is cell:
        turn.stashed = _place(cell)[1]
    if isinstance(letter, Entry):
        letter = letter.again(cell)
        request = letter.request if isinstance(letter, Entry) else None
    if request is not None:
        request.deferred = True
    letters.append(letter)
    return request


def unstash_all(cell: Cell) -> None:
    """Put what was stashed in front of everything that waits."""
    if cell.more is not None and cell.more.stash:
        letters, cell.more.stash = cell.more.stash, None
        cell.give_back(letters)
        if cell.state == IDLE:  # a reentrant actor, in a handler that was suspended
            cell.dispatcher.settle(cell)


def _in_hand(cell: Cell, request: Request | None) -> Letter:
    dispatcher = cell.dispatcher
    runner = dispatcher.running_runner()
    if isinstance(runner, TaskRunner) and dispatcher.cell is None:
        letter = runner.letter
        if letter is None:
            raise _too_late(cell)
        if isinstance(letter, Call):
            letter.request = request
        return letter
    return letter_of_turn(cell, request)


def letter_of_turn(cell: Cell, request: Request | None) -> Letter:
    """The letter that is handled in the turn, or inside the ask, that runs now."""
    dispatcher = cell.dispatcher
    if request is LAZY:
        function = dispatcher.inlined_function
        if dispatcher.cell is not cell and dispatcher.inlined_cell is not cell:
            raise _too_late(cell)
        return Call(function, dispatcher.inlined_args, {}, Request(cell, name_of(function)))
    if dispatcher.draining is not cell:
        raise _too_late(cell)
    if cell.batch is None:
        function, arg = (dispatcher.told, dispatcher.told_arg) if dispatcher.single is None else dispatcher.single
        return arg if function is None else (function, arg)
    flat, index = _place(cell)
    return flat[index - 1] if flat[index - 2] is None else (flat[index - 2], flat[index - 1])


def _place(cell: Cell) -> tuple[list[Any], int]:
    """The list that the turn goes through, and how far it is: a list iterator tells both as (iter, (list,), index)."""
    if cell.batch is None:
        return [], 0
    place: Any = cell.batch.__reduce__()
    return place[1][0], place[2]


def _too_late(cell: Cell) -> ActorError:
    return ActorError(f"{cell.name}: stash a message before anything else that its handler does")
