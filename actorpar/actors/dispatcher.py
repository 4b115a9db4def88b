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

import contextvars
from collections.abc import Callable
from itertools import islice
from operator import length_hint, methodcaller
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ..channels import env
from ..channels.env import thread_id
from ..channels.errors import WrongLoop
from ..channels.process import PARK
from ..channels.runqueue import RunQueue, current, is_active
from . import life
from .asking import INLINE_DEPTH
from .belongings import more_of
from .cell import Cell
from .context import ActorContext
from .counters import Counters
from .deadlines import Deadlines
from .entry import NO, Call, Entry, Letter
from .handlers import enter, failed
from .ref import DEADLINE
from .request import PENDING, Request
from .runner import SUSPENDED, Runner
from .states import BUSY, IDLE, QUEUED

if TYPE_CHECKING:
    from ..system import ActorSystem
    from .actor import Actor

#: Messages of one actor before the next has its turn, while handlers are quick, and when they were slow (CH-17).
TURN: Final = 256
SLOW_TURN: Final = 8
#: One in so many turns is measured, where somebody wants samples.
SAMPLED: Final = 64
#: Seconds of a step, after which processes have theirs; the clock is read each CHECK messages.
STEP_SECONDS: Final = 0.00025
#: Messages of a step at most, for a clock that stands still meanwhile, as virtual time does.
STEP_MESSAGES: Final = 1024
CHECK: Final = 64


class Dispatcher:
    """The turns of the actors of one system. To the run queue it looks like a process that never ends."""

    __slots__ = (
        "base", "cell", "counters", "deadlines", "debug", "depth", "draining", "inlined", "inlined_args",
        "inlined_cell", "inlined_function", "loop", "most", "observe", "observes_all", "on_queue", "queue",
        "request", "sample", "scheduled", "scratch", "serial", "single", "stashed", "system", "thread", "todo",
        "told", "told_arg", "unsampled", "untaken", "waiting", "within",
    )  # fmt: skip

    #: What makes the `ctx` of an actor.
    context_of: ClassVar[type[ActorContext[Any]]] = ActorContext

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
        self.unsampled = 0  # turns since the last one that was measured
        self.most = TURN  # messages of one turn
        self.untaken = 0  # letters that were taken back from the turn in progress
        self.cell: Cell | None = None
        self.draining: Cell | None = None  # whose turn it is
        self.told: Any = None  # what it handles, if that was told to it while it was idle
        self.told_arg: Any = None
        self.single: Any = None  # what it handles, function and argument, if that came without a batch
        self.stashed = -1  # how far the turn was when a message was stashed last
        self.request: Request | None = None
        self.inlined_cell: Cell | None = None  # whom the ask asked that began last inside the asker's step
        self.inlined_function: Any = None  # and what
        self.inlined_args: tuple[Any, ...] = ()
        self.inlined = 0  # how many there were
        self.within: float | None = DEADLINE  # how long its asker is ready to wait
        self.observes_all = False  # every actor has a traced kind
        self.counters = Counters()
        #: Of requests, and of questions to other nodes.
        self.deadlines: Deadlines[Any] = Deadlines(self.loop, methodcaller("expire"))
        self.observe: Callable[[Cell, Call], Call] | None = None
        self.sample: Callable[[Cell, float, int], None] | None = None
        self.on_queue = is_active() and not env.plain_tasks

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
        todo, clock, base = self.todo, env.clock, self.base
        take, drain, one = todo.popleft, self._drain, self._drain_first
        now = clock()
        end = now + STEP_SECONDS
        before = self.unsampled
        unsampled, total, left = before, 0, CHECK
        try:
            while todo:
                cell = take()
                if cell.state != QUEUED:
                    continue
                if cell.stopping is not None:
                    life.run_end(cell)
                    continue
                context = cell.context
                unsampled += 1
                if unsampled == SAMPLED and self.sample is not None:
                    handled = self._sampled(cell, self.sample)
                elif context is not None:
                    handled = context.run(drain if cell.first is None else one, cell)
                else:
                    context = self.scratch
                    handled = context.run(drain if cell.first is None else one, cell)
                    if context != base and context is self.scratch:
                        self.adopt(cell)
                cell.handled += handled
                total += handled
                left -= handled + 1
                if left <= 0:
                    left, then, now = CHECK, now, clock()
                    # As in the run queue: slow handlers mean short turns, or sockets and timers would wait for them.
                    self.most = SLOW_TURN if now - then > STEP_SECONDS else min(TURN, 2 * self.most)
                    if now >= end or total >= STEP_MESSAGES:
                        return None if todo else self._done()
            return self._done()
        finally:
            self.unsampled = unsampled % SAMPLED
            self.counters.turns += unsampled - before
            self.counters.handled += total

    def _sampled(self, cell: Cell, sample: Callable[[Cell, float, int], None]) -> int:
        """A turn whose time is measured."""
        started = env.clock()
        context = self.scratch if cell.context is None else cell.context  # an empty context is false
        handled = context.run(self._drain if cell.first is None else self._drain_first, cell)
        if context is self.scratch and context != self.base:
            self.adopt(cell)
        sample(cell, env.clock() - started, handled)
        return handled

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

    def _drain_first(self, cell: Cell) -> int:
        """Handle the one message that was told to the actor while it was idle, and what came behind it."""
        function, arg = cell.first, cell.first_arg
        cell.first = cell.first_arg = None
        cell.limit += 2
        cell.state = BUSY
        self.cell = self.draining = cell
        self.told = function
        self.told_arg = arg
        suspended = False
        try:
            result = function(cell.actor) if arg is NO else function(cell.actor, arg)  # type: ignore[misc]  # it is set
            if type(result) is CoroutineType:
                suspended = enter(cell, result, None, True) is SUSPENDED and not cell.kind.reentrant
        except BaseException as failure:
            self._leave()
            failed(cell, failure, None)
            return 1
        if cell.more is None and cell.stopping is None and not suspended:
            if cell.box is not None:
                self._leave()
                return 1 + self._drain(cell)
            self.cell = self.draining = self.told = self.told_arg = None  # `_end_turn`, for most messages
            cell.state = IDLE
            return 1
        self._end_turn(cell, suspended)
        return 1

    def _drain(self, cell: Cell) -> int:
        """Handle what the actor has, at most `most` messages; runs in its context. Returns how many it handled."""
        batch, box = cell.batch, cell.box
        if batch is None and box is not None and len(box) == 2:
            cell.box = None  # one ask, or one signal: it needs no batch
            before = 0
            self.single = box
            pairs: Any = (box,)
        else:
            if batch is None:
                cell.box = None
                batch = cell.batch = iter(box or ())
            before = length_hint(batch)
            cell.limit = cell.kind.places - before  # at worst: `has_room` counts exactly before it refuses
            pairs = islice(zip(batch, batch, strict=False), self.most)
        actor = cell.actor
        cell.state = BUSY
        self.cell = self.draining = cell
        self.untaken = 0
        suspended = False
        try:
            for function, arg in pairs:
                if function is not None:
                    result = function(actor) if arg is NO else function(actor, arg)
                    if type(result) is not CoroutineType:
                        continue
                    result = enter(cell, result, None, True)
                else:
                    result = self._handle(cell, actor, arg)
                if result is SUSPENDED and not cell.kind.reentrant:
                    suspended = True
                    break
        except BaseException as failure:
            request = self.request
            self._leave()
            failed(cell, failure, request)
        else:
            self._end_turn(cell, suspended)
        return (before - length_hint(batch)) // 2 - self.untaken if batch is not None else 1

    def _handle(self, cell: Cell, actor: Actor, letter: Entry) -> Any:
        """Handle what is no told message with one argument or none. SUSPENDED, or anything else."""
        request = letter.request
        if letter.is_signal:
            more_of(cell).signals -= 1
        if request is not None:
            if request.state != PENDING and not letter.is_signal:  # an item of a feed has left its channel for good
                self.counters.expired += 1
                return None
            self.request = request
            request.deferred = False  # it may have been stashed, or forwarded to this actor
        result = letter.call(actor)
        if type(result) is CoroutineType:
            result = enter(cell, result, request, True)
        if request is not None:
            self.request = None
            if result is not SUSPENDED and request.is_due_from(cell):
                request.answer(result)
        return result

    def _end_turn(self, cell: Cell, suspended: bool) -> None:
        self._leave()
        if suspended:
            if cell.batch is not None or cell.more is not None:
                self.set_limit(cell)
        elif cell.batch is None and cell.box is None and cell.more is None and cell.stopping is None:
            cell.state = IDLE
        else:
            self.settle(cell)

    def _leave(self) -> None:
        self.cell = self.draining = self.request = self.single = self.told = self.told_arg = None
        self.stashed = -1

    def set_limit(self, cell: Cell) -> None:
        """Count the room exactly, and give it to those who wait for it."""
        limit = cell.kind.places - length_hint(cell.batch or ()) - 2 * (cell.first is not None)
        more = cell.more
        if more is None:
            cell.limit = limit
        else:
            door = more.door
            cell.limit = limit + 2 * more.signals - (0 if door is None else 2 * door.core.reserved)
            if door is not None:
                door.core.make_room()

    def settle(self, cell: Cell) -> None:
        """A handler has ended, or something changed while none was in hand: what the actor does next."""
        batch = cell.batch
        if batch is not None and not length_hint(batch):
            cell.batch = batch = None
        if cell.limit != cell.kind.places or (cell.more is not None and cell.more.door is not None):
            self.set_limit(cell)
        if cell.stopping is not None:
            life.end(cell)
        elif cell.more is not None and cell.more.held:
            cell.state = life.HELD
        elif batch is not None or cell.box is not None or cell.first is not None:
            cell.state = QUEUED
            self.push(cell)
        else:
            cell.state = IDLE

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

    def observed(self, cell: Cell, call: Call) -> Call:
        """Where messages are traced, the call as the tracer wants it."""
        return call if self.observe is None else self.observe(cell, call)

    def dead_letter(self, cell: Cell, letter: Letter, why: str) -> None:
        """A message that nobody will handle (AC-58)."""
        self.system.dead_letters.add(cell, letter, why, self.running())

    def unhandled(self, cell: Cell, method: object) -> None:
        """Somebody named a message that the actor does not have (AC-9)."""
        self.system.dead_letters.unhandled(cell, method, self.running())
