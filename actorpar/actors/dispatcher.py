"""Gives actors their turns: one entry in the run queue of the loop for all actors of a system that have work to do.

Invariants
- `todo` holds the cells that are QUEUED, in the order in which they became so; `scheduled` is true while this
  dispatcher stands in the run queue or runs.
- A turn takes at most `most` messages of one actor, and a step about STEP_SECONDS, then everybody else runs.
- While a plain `def` handler runs, `cell` is its actor and `request` what it is to answer; an `async def` handler is
  known by the host of the current task, also long after its first step. `running()` knows both.
- A handler runs in the Context of its actor. Until one of them sets a variable or is `async def` the actor has none of
  its own and borrows `scratch`, an unused copy of the system's; whoever changes it keeps it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from itertools import islice
from operator import length_hint
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

from ..channels import env
from ..channels.env import thread_id
from ..channels.errors import WrongLoop
from ..channels.process import PARK
from ..channels.runqueue import RunQueue, current, is_active
from . import life
from .asking import INLINE_DEPTH
from .belongings import more_of
from .cell import Cell
from .counters import Counters
from .deadlines import Deadlines
from .entry import NO, Call, Letter
from .errors import AskCycle, Reject
from .reason import Reason
from .ref import DEADLINE
from .reply import Forwarded, failure_for_asker
from .request import GIVEN_AWAY, LAZY, PENDING, Request
from .runner import SUSPENDED, Runner, TaskRunner
from .states import BUSY, ENDING, IDLE, QUEUED, STARTING

if TYPE_CHECKING:
    from ..system import ActorSystem

#: Messages of one actor before the next has its turn, while handlers are quick, and when they were slow (CH-17).
TURN: Final = 256
SLOW_TURN: Final = 8
#: Seconds of a step, after which processes have theirs; the clock is read each CHECK messages.
STEP_SECONDS: Final = 0.00025
CHECK: Final = 64


class Dispatcher:
    """The turns of the actors of one system. To the run queue it looks like a process that never ends."""

    __slots__ = (
        "_on_queue", "base", "cell", "counters", "deadlines", "debug", "depth", "draining", "inlined",
        "inlined_args", "inlined_cell", "inlined_function", "loop", "most", "observe",
        "observes_all", "queue", "request", "sample", "scheduled", "scratch",
        "serial", "single", "suspended_request", "system", "thread", "todo", "untaken", "waiting", "within",
    )  # fmt: skip

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
        #: Asks that run inside one another now. In debug mode none does, so that a ring of asks is seen (AC-17).
        self.depth = INLINE_DEPTH if self.debug else 0
        self.waiting = 0  # handlers that are suspended now
        self.most = TURN  # messages of one turn
        self.untaken = 0  # letters that were taken back from the turn in progress
        self.cell: Cell | None = None
        self.draining: Cell | None = None  # whose turn it is
        self.single: Any = None  # what it handles, if that is one letter that came without a batch
        self.request: Request | None = None
        self.inlined_cell: Cell | None = None  # whom the ask asked that began last inside the asker's step
        self.inlined_function: Any = None  # and what
        self.inlined_args: tuple[Any, ...] = ()
        self.inlined = 0  # how many there were
        self.within: float | None = DEADLINE  # how long its asker is ready to wait
        self.suspended_request: Request | None = None  # what the handler that suspended last is to answer
        self.observes_all = False  # every actor has a traced kind
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
            self.schedule()

    def schedule(self) -> None:
        """Stand in the run queue."""
        self.scheduled = True
        self.queue.push(cast(Any, self))

    def run(self, step: object, nothing: None) -> Any:
        """One step of the run queue: turns until nothing is left to do, or STEP_SECONDS have passed."""
        current.pop(self.loop, None)  # a plain handler has no task
        todo, clock, base, sample = self.todo, env.clock, self.base, self.sample
        now = clock()
        end = now + STEP_SECONDS
        turns = total = 0
        left = CHECK
        try:
            while todo:
                cell = todo.popleft()
                if cell.state != QUEUED:
                    continue
                if cell.stopping is not None:
                    life.run_end(cell)
                    continue
                turns += 1
                started = clock() if sample is not None and not (self.counters.turns + turns) & 63 else None
                if cell.context is not None:
                    handled = cell.context.run(self._drain, cell)
                else:
                    scratch = self.scratch
                    handled = scratch.run(self._drain, cell)
                    if scratch != base and scratch is self.scratch:
                        self.adopt(cell)
                if started is not None and sample is not None:
                    sample(cell, clock() - started, handled)
                cell.handled += handled
                total += handled
                left -= handled + 1
                if left <= 0:
                    before, now = now, clock()
                    # As in the run queue: slow handlers mean short turns, or sockets and timers would wait for them.
                    self.most = SLOW_TURN if now - before > STEP_SECONDS else min(TURN, 2 * self.most)
                    if now >= end:
                        return None if todo else self._done()
                    left = CHECK
            return self._done()
        finally:
            self.counters.turns += turns
            self.counters.handled += total

    def fall(self, failure: BaseException) -> None:
        """A turn failed, and not in a handler: this is a defect of the runtime. The other actors go on."""
        self.loop.call_exception_handler({"message": f"{self.system.name}: a turn failed", "exception": failure})
        self._leave()
        self.queue.push(cast(Any, self))

    def _done(self) -> Any:
        self.scheduled = False
        return PARK

    def adopt(self, cell: Cell) -> contextvars.Context:
        """The context that the actor borrowed is its own from now on."""
        context = cell.context
        if context is None:
            context = cell.context = self.scratch
            self.scratch = self.base.copy()
        return context

    def _drain(self, cell: Cell) -> int:
        """Handle what the actor has, at most `most` messages; runs in its context. Returns how many it handled."""
        batch, letters = cell.batch, cell.box
        if batch is None and letters is not None and len(letters) == 1:
            cell.box = None  # the usual case: it needs no batch
            left: Any = ()
        else:
            if batch is None:
                cell.box = None
                batch = cell.batch = iter(letters or ())
            left = batch
            letters = islice(batch, self.most)  # type: ignore[assignment]
        before = length_hint(left)
        if before:
            cell.limit = cell.kind.mailbox - before  # at worst: `put` counts exactly before it refuses
        actor = cell.actor
        cell.state = BUSY
        self.cell = self.draining = cell
        self.single = letters
        self.untaken = 0
        request = None
        suspended = False
        letter: Any  # a tuple or an Entry: the test of its type is not one that a checker narrows by
        try:
            for letter in letters or ():
                if type(letter) is tuple:
                    function, arg = letter
                    result = function(actor) if arg is NO else function(actor, arg)
                    if type(result) is CoroutineType and self.enter(cell, result, None, True) is SUSPENDED:
                        suspended = not cell.kind.reentrant
                        if suspended:
                            break
                    continue
                request = self.request = letter.request
                if request is not None:
                    if request.state != PENDING:
                        self.counters.expired += 1
                        request = self.request = None
                        continue
                    request.deferred = False  # it may have been stashed, or forwarded to this actor
                if letter.is_signal:
                    more_of(cell).signals -= 1
                result = letter.call(actor)
                if type(result) is CoroutineType:
                    result = self.enter(cell, result, request, True)
                    if result is SUSPENDED:
                        suspended = not cell.kind.reentrant
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
            self.cell = self.draining = self.request = self.single = None
            if suspended:
                if before or cell.more is not None:
                    self.set_limit(cell)
            elif cell.batch is None and cell.box is None and cell.more is None and cell.stopping is None:
                cell.state = IDLE
            else:
                self.settle(cell)
        return before - length_hint(left) - self.untaken if left else 1

    def _leave(self) -> None:
        self.cell = self.draining = self.request = self.single = None

    def set_limit(self, cell: Cell) -> None:
        """Count the room exactly, and give it to those who wait for it."""
        limit = cell.kind.mailbox - length_hint(cell.batch or ())
        more = cell.more
        if more is None:
            cell.limit = limit
        else:
            door = more.door
            cell.limit = limit + more.signals - (0 if door is None else door.core.reserved)
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
        runner = cell.runner
        if runner is None or runner.suspended:
            runner = self._new_runner(cell)
        runner.request = request
        process = runner.process
        if process is None:
            runner.start(coroutine)
            return self._suspended(cell, runner)
        process._coroutine = coroutine
        loop, outer = self.loop, self.cell
        task = current.get(loop)
        self.cell = None
        current[loop] = process
        try:
            signal = coroutine.send(None) if inside else process.run(coroutine.send, None)
        except BaseException as end:
            process._coroutine = None  # type: ignore[assignment]  # between two handlers
            if process._cancel_requests:
                process.rest()
            if type(end) is StopIteration:
                return end.value
            raise
        finally:
            self.cell = outer
            if task is None:
                current.pop(loop, None)
            else:
                current[loop] = task
        runner.suspend(signal)
        return self._suspended(cell, runner)

    def _suspended(self, cell: Cell, runner: Runner) -> Any:
        request = runner.request
        if request is LAZY:
            request = runner.request = Request(cell, runner.handler_name(), self.running())
        elif request is not None and request.deferred:
            runner.request = GIVEN_AWAY
        self.suspended_request = request
        if cell.kind.reentrant and cell.state == BUSY:
            more_of(cell).runners[runner] = None
        if cell.stopping is not None:
            life.suspended_in_vain(cell)
        return SUSPENDED

    def _new_runner(self, cell: Cell) -> Runner:
        self.adopt(cell)
        runner = Runner(cell) if self._on_queue else TaskRunner(cell)
        if cell.runner is None:
            cell.runner = runner
        return runner

    # -- how handlers end

    def finished(self, runner: Runner) -> None:
        """A handler that was suspended has ended; so may have the hooks of the start or of the end."""
        cell = runner.cell
        self._forget(cell, runner)
        if cell.state == ENDING:
            if not life.runners_of(cell):
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
        if cell.more is not None and cell.more.unborn:
            life.fail(cell, failure, request)
            if request is not None:
                request.fail(life.not_started(cell))
            return
        if request is not None and request is not LAZY and cell.state != STARTING and request.is_due_from(cell):
            ordered = isinstance(failure, asyncio.CancelledError) and life.is_hurried(cell)
            request.fail(cell.dead() if ordered else failure_for_asker(request, failure))
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
                try:
                    cell.actor.on_withdrawn(Forwarded(request))
                except Exception as failure:  # whoever gave up must not be raised what another actor's hook raises
                    life.stop(cell, Reason("error", error=failure), hurry=True)

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
        return call if self.observe is None else self.observe(cell, call)

    def dead_letter(self, cell: Cell, letter: Letter, why: str) -> None:
        """A message that nobody will handle (AC-58)."""
        self.system.dead_letters.add(cell, letter, why, self.running())

    def unhandled(self, cell: Cell, method: object) -> None:
        """Somebody named a message that the actor does not have (AC-9)."""
        self.system.dead_letters.unhandled(cell, method, self.running())
