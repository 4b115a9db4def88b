"""Gives actors their turns: one entry in the run queue of the loop for all actors of a system that have work to do.

Invariants
- `todo` holds the cells that are QUEUED, in the order in which they became so; `scheduled` is true while this
  dispatcher stands in the run queue or runs.
- A turn takes at most TURN messages of one actor, and a step at most STEP messages of all, then everybody else runs.
- While a plain `def` handler runs, `cell` is its actor and `request` what it is to answer; an `async def` handler is
  known by the host of the current task, also long after its first step. `running()` knows both.
- A handler runs in the Context of its actor. Until one of them sets a variable or is `async def` the actor has none of
  its own and borrows `scratch`, an unused copy of the system's; whoever changes it keeps it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from itertools import islice
from operator import length_hint
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from ..channels import env
from ..channels.env import thread_id
from ..channels.errors import WrongLoop
from ..channels.process import PARK
from ..channels.runqueue import RunQueue, current, is_active
from . import life
from .belongings import more_of
from .cell import BUSY, ENDING, IDLE, INLINE_DEPTH, QUEUED, STARTING, Cell
from .counters import Counters
from .deadlines import Deadlines
from .entry import NO, Call, Letter
from .errors import ActorError, AskCycle, Reject
from .kind import Message
from .reply import failure_for_asker
from .request import PENDING, Request
from .runner import SUSPENDED, Runner, TaskRunner

if TYPE_CHECKING:
    from ..system import ActorSystem

#: Messages of one actor before the next has its turn, and of all actors before a process has its own (CH-17).
TURN: Final = 64
STEP: Final = 128

#: What a handler that runs inside the ask has in hand: a Request is made only if it defers or suspends.
LAZY: Final = cast(Request, type("Lazy", (), {"deferred": False})())

__all__ = ["INLINE_DEPTH", "LAZY", "Dispatcher"]


class Dispatcher:
    """The turns of the actors of one system. To the run queue it looks like a process that never ends."""

    # what the run queue asks of a process
    _must_cancel = False
    host = None
    step = None

    def __init__(self, queue: RunQueue, system: ActorSystem) -> None:
        self.queue = queue
        self.loop = queue.loop
        self.thread = queue.thread
        self.system = system
        self.debug = queue.loop.get_debug()
        self.base = contextvars.copy_context()
        self.scratch = self.base.copy()
        self.todo: Any = env.ReadyQueue()
        self.scheduled = False
        self.serial = 0
        self.depth = 0  # asks that run inside one another now
        self.waiting = 0  # handlers that are suspended now
        self.untaken = 0  # letters that were taken back from the turn in progress
        self.cell: Cell | None = None
        self.draining: Cell | None = None
        self.request: Request | None = None
        self.call: tuple[Message, tuple[Any, ...], dict[str, Any]] | None = None  # the last one that ran inline
        self.counters = Counters()
        self.deadlines: Deadlines[Request] = Deadlines(self.loop, Request.expire)
        self.observe: Callable[[Cell, Call], Call] | None = None
        self.sample: Callable[[Cell, float, int], None] | None = None
        self._on_queue = is_active() and not env.plain_tasks

    # -- turns

    def push(self, cell: Cell) -> None:
        """A cell became QUEUED."""
        self.todo.append(cell)
        if not self.scheduled:
            self.scheduled = True
            self.queue.push(cast(Any, self))

    def run(self, step: object, nothing: None) -> Any:
        """One step of the run queue."""
        current.pop(self.loop, None)  # a plain handler has no task
        todo = self.todo
        left = STEP
        while todo:
            if left <= 0:
                return None
            left -= self.turn(todo.popleft())
        self.scheduled = False
        return PARK

    def turn(self, cell: Cell) -> int:
        """Give an actor its turn; returns how many messages it handled, at least 1."""
        if cell.state != QUEUED:
            return 1
        if cell.stopping is not None:
            life.end(cell)
            return 1
        counters = self.counters
        counters.turns += 1
        if self.sample is not None and not counters.turns & 63:
            return self._sampled_turn(cell, self.sample)
        return self._turn(cell)

    def _turn(self, cell: Cell) -> int:
        context = cell.context
        if context is not None:
            handled = context.run(self._drain, cell)
        else:
            scratch = self.scratch
            handled = scratch.run(self._drain, cell)
            if scratch is self.scratch and scratch != self.base:
                self.adopt(cell)
        cell.handled += handled
        self.counters.handled += handled
        return handled + 1

    def _sampled_turn(self, cell: Cell, sample: Callable[[Cell, float, int], None]) -> int:
        before = env.clock()
        handled = self._turn(cell)
        sample(cell, env.clock() - before, handled)
        return handled

    def adopt(self, cell: Cell) -> contextvars.Context:
        """The context that the actor borrowed is its own from now on."""
        context = cell.context
        if context is None:
            context = cell.context = self.scratch
            self.scratch = self.base.copy()
        return context

    def _drain(self, cell: Cell) -> int:
        """Handle what the actor has, at most TURN messages; runs in its context."""
        batch = cell.batch
        if batch is None:
            box, cell.box = cell.box, None
            batch = cell.batch = iter(box or ())
        before = length_hint(batch)
        self.untaken = 0
        actor, reentrant = cell.actor, cell.kind.reentrant
        cell.state = BUSY
        self.cell = self.draining = cell
        request = None
        suspended = False
        letter: Any  # a tuple or an Entry: the test of its type is not one that a checker narrows by
        try:
            for letter in islice(batch, TURN):
                if type(letter) is tuple:
                    function, arg = letter
                    result = function(actor) if arg is NO else function(actor, arg)
                    if type(result) is CoroutineType and self.enter(cell, result, None, True) is SUSPENDED:
                        suspended = not reentrant
                        if suspended:
                            break
                    continue
                request = self.request = letter.request
                if request is not None and request.state != PENDING:
                    self.counters.expired += 1
                    continue
                if request is not None:
                    request.deferred = False  # it may have been stashed, or forwarded to this actor
                result = letter.call(actor)
                if type(result) is CoroutineType:
                    result = self.enter(cell, result, request, True)
                    if result is SUSPENDED:
                        suspended = not reentrant
                        if suspended:
                            break
                        request = self.request = None
                        continue
                if request is not None and request.is_due_from(cell):
                    request.answer(result)
                request = self.request = None
        except BaseException as failure:
            self._leave()
            self.failed(cell, failure, request)
        else:
            self._leave()
            if suspended:
                self.set_limit(cell)
            else:
                self.settle(cell)
        return before - length_hint(batch) - self.untaken

    def _leave(self) -> None:
        self.cell = self.draining = self.request = None

    def set_limit(self, cell: Cell) -> None:
        """The room behind what is left of the batch, less what is reserved for woken senders."""
        more = cell.more
        door = None if more is None else more.door
        cell.limit = cell.kind.mailbox - length_hint(cell.batch or ()) - (door.core.reserved if door is not None else 0)
        if door is not None:
            door.core.make_room()

    def settle(self, cell: Cell) -> None:
        """A handler has ended, or something changed while none was in hand: what the actor does next."""
        batch = cell.batch
        if batch is not None and not length_hint(batch):
            cell.batch = batch = None
        if cell.limit != cell.kind.mailbox or (cell.more is not None and cell.more.door is not None):
            self.set_limit(cell)
        if cell.stopping is not None:
            life.end(cell)
        elif cell.more is not None and cell.more.held:
            cell.state = life.HELD
        elif batch is not None or cell.box is not None:
            cell.state = QUEUED
            self.push(cell)
        else:
            cell.state = IDLE

    # -- handlers that are coroutines

    def enter(self, cell: Cell, coroutine: Any, request: Request | None, inside: bool) -> Any:
        """Run a coroutine of the actor to its first suspension: what it returned, or SUSPENDED.

        `inside`: the context of the actor is entered already. What it raises is raised here.
        """
        context = self.adopt(cell)
        runner = cell.runner
        if runner is None or runner.suspended:
            runner = self._new_runner(cell)
        runner.request = request
        if type(runner) is TaskRunner:
            runner.start(coroutine)
            return SUSPENDED
        process = runner.process
        process.begin(coroutine)
        loop, outer, task = self.loop, self.cell, current.get(self.loop)
        self.cell = None
        current[loop] = process
        try:
            signal = coroutine.send(None) if inside else context.run(coroutine.send, None)
        except StopIteration as stop:
            process.rest()
            return stop.value
        except BaseException:
            process.rest()
            raise
        finally:
            self.cell = outer
            if task is None:
                current.pop(loop, None)
            else:
                current[loop] = task
        runner.suspend(signal)
        if cell.kind.reentrant and cell.state == BUSY:
            more_of(cell).runners[runner] = None
        if cell.stopping is not None and cell.state != ENDING and life.is_hurried(cell):
            runner.cancel()
        return SUSPENDED

    def _new_runner(self, cell: Cell) -> Runner:
        runner = Runner(cell) if self._on_queue else TaskRunner(cell)
        if cell.runner is None:
            cell.runner = runner
        return runner

    def inline(self, cell: Cell, message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Handle an ask of an idle actor inside the asker's step (AC-1): the answer, or the Request to wait for."""
        cell.state = BUSY
        cell.handled += 1
        self.depth += 1
        self.call = (message, args, kwargs)
        try:
            result = (
                message.function(cell.actor, *args, **kwargs)
                if message.is_async
                else self._plain(cell, message, args, kwargs)
            )
            if type(result) is CoroutineType:
                result = self._enter_inline(cell, message, result)
        except BaseException as failure:
            self._failed_inline(cell, message, failure)
        finally:
            self.depth -= 1
        if cell.state == BUSY and not (type(result) is Request and cell.runner is not None and cell.runner.suspended):
            if cell.box is None and cell.stopping is None and cell.more is None:
                cell.state = IDLE
            else:
                self.settle(cell)
        return result

    def _plain(self, cell: Cell, message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a handler that is a plain `def`, as the actor's, not as the asker's."""
        loop = self.loop
        task = current.pop(loop, None)
        outer, self.cell = self.cell, cell
        outer_request, self.request = self.request, LAZY
        context = cell.context
        scratch = self.scratch
        try:
            result = (scratch if context is None else context).run(message.function, cell.actor, *args, **kwargs)
            deferred = self.request
        finally:
            self.cell, self.request = outer, outer_request
            if task is not None:
                current[loop] = task
            if context is None and scratch != self.base:
                self.adopt(cell)
        return result if deferred is LAZY else deferred

    def _enter_inline(self, cell: Cell, message: Message, coroutine: Any) -> Any:
        result = self.enter(cell, coroutine, LAZY, False)
        runner = cast(Runner, cell.runner)
        request = runner.request
        if result is not SUSPENDED:
            runner.request = None
            return result if request is LAZY else request
        if request is LAZY:
            request = runner.request = Request(cell, message.name, self.running())
        return request

    def _failed_inline(self, cell: Cell, message: Message, failure: BaseException) -> NoReturn:
        if cell.runner is not None:
            cell.runner.request = None
        self.failed(cell, failure, None)
        raise failure_for_asker(Request(cell, message.name), failure)

    # -- how handlers end

    def finished(self, runner: Runner) -> None:
        """A handler that was suspended has ended; so may have the hooks of the start or of the end."""
        cell = runner.cell
        self._forget(cell, runner)
        if cell.state == ENDING:
            life.bury(cell)
        elif (
            cell.state == STARTING
            or (cell.state == BUSY and not cell.kind.reentrant)
            or (cell.stopping is not None and cell.state != life.DEAD)
        ):
            self.settle(cell)

    def failed(self, cell: Cell, failure: BaseException, request: Request | None, runner: Runner | None = None) -> None:
        """A handler raised: a rejected request is an answer, everything else is the end of the actor (AC-18)."""
        if runner is not None:
            self._forget(cell, runner)
        if request is not None and request is not LAZY and cell.state != STARTING and request.is_due_from(cell):
            request.fail(failure_for_asker(request, failure))
        if cell.state == life.DEAD:
            return
        if isinstance(failure, Reject) and cell.state not in (STARTING, ENDING):
            self.counters.rejected += 1
            if runner is None or not cell.kind.reentrant or cell.stopping is not None:
                self.settle(cell)
        else:
            life.fail(cell, failure, request)

    def _forget(self, cell: Cell, runner: Runner) -> None:
        if cell.more is not None:
            cell.more.runners.pop(runner, None)

    def withdrawn(self, request: Request) -> None:
        """An asker gave up (AC-22)."""
        cell = request.cell
        if cell.state in (BUSY, IDLE, QUEUED) and "on_withdrawn" in cell.kind.hooks:
            more = cell.more
            in_hand = cell.runner is not None and cell.runner.request is request
            if in_hand or request.deferred or (more is not None and any(r.request is request for r in more.runners)):
                from .reply import Forwarded

                cell.actor.on_withdrawn(Forwarded(request))

    # -- who and what

    def is_spent(self) -> bool:
        """Count an operation. True: whoever runs has used up its budget and must pause (CH-17)."""
        if thread_id() != self.thread:
            raise WrongLoop(f"{self.system.name} belongs to the event loop of another thread; use ref.threadsafe()")
        return self.queue.is_spent()

    def running(self) -> Cell | None:
        """The actor whose handler runs now; None outside of all handlers."""
        if self.cell is not None:
            return self.cell
        runner = self.running_runner()
        return None if runner is None else runner.cell

    def running_runner(self) -> Runner | None:
        """The runner of the `async def` handler that runs now."""
        host = getattr(current.get(self.loop), "host", None)
        return host if isinstance(host, Runner) else None

    def letter_in_hand(self, cell: Cell, request: Request | None) -> Letter:
        """The message whose handler runs now, before its first await; its request is not answered by the handler."""
        if request is LAZY and self.call is not None:
            message, args, kwargs = self.call
            return Call(message.function, args, kwargs, Request(cell, message.name))
        if self.draining is not cell or cell.batch is None:
            raise ActorError(f"{cell.name}: stash a message before the first await of its handler")
        iterator: Any = cell.batch
        _, (letters,), place = iterator.__reduce__()  # how a list iterator tells where it stands
        letter: Letter = letters[place - 1]
        if request is not None:
            request.deferred = True
        return letter

    def check_cycle(self, request: Request) -> None:
        """In debug mode: raise AskCycle if the asker works for a request that leads back to the asked actor (AC-17)."""
        runner = self.running_runner()
        if runner is None or runner.request is None or runner.request is LAZY:
            return
        request.chain = runner.request
        names = [request.cell.name]
        link: Request | None = request
        while link is not None and link.asker is not None:
            names.append(link.asker.name)
            if link.asker is request.cell and not request.cell.kind.reentrant:
                raise AskCycle("a ring of asks, in which each waits for the next: " + " <- ".join(names))
            link = link.chain

    def observed(self, cell: Cell, call: Call) -> Call:
        """Where messages are traced, the call as the tracer wants it."""
        return call if self.observe is None or cell.kind.inlines else self.observe(cell, call)

    def dead_letter(self, cell: Cell, letter: Letter, why: str) -> None:
        """A message that nobody will handle (AC-58)."""
        self.system.dead_letters.add(cell, letter, why, self.running())

    def unhandled(self, cell: Cell, method: object) -> None:
        """Somebody named a message that the actor does not have (AC-9)."""
        self.system.dead_letters.unhandled(cell, method, self.running())
