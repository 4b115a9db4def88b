"""One child of a supervisor: its spec, its present incarnation, and what is kept from one incarnation to the next.

To the runtime it is the record of its actor (life.py, spawning.py): that asks `keeps`, hands over the `mailbox` and the
`state`, and tells `begun` and `ended`. So the supervisor learns of every end by itself, whatever the child unlinks
(AC-42).

Invariants
- At most one incarnation is alive: `start` waits until nothing of the last one is left (AC-46). Of one whose node is
  lost nobody knows; it ends where it is as soon as that node learns of the loss (AC-57).
- `body` is the present incarnation, or None: a cell, or a process, for which a child on another node has a proxy.
  News about any other is old news. `ref` is what others know it by, once there is that.
- While `order` is set the supervisor waits for the end itself, and no news of it is sent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..remote.process import RemoteProcess
from . import life
from .belongings import more_of
from .cell import Cell
from .childprocess import began, has_ended, kill_process, start_process, stop_process
from .entry import Entry, Letter
from .errors import StartFailed
from .kind import kind_of
from .lending import close, ends_in, lend
from .reason import SHUTDOWN, Reason, Restart, describe
from .refusals import ChildStartFailed
from .spawning import spawn
from .states import DEAD, ENDING

if TYPE_CHECKING:
    from ..channels.process import Process
    from .actor import Actor
    from .child import ChildSpec
    from .ref import ActorRef

#: starting: its `on_start` runs; restarting: it will be started again, soon or after a delay; stopped: it will not,
#: unless somebody asks for it or the strategy restarts its siblings.
Phase: TypeAlias = Literal["starting", "running", "stopping", "restarting", "stopped"]


class ChildEnded(Entry):
    """News for the supervisor: an incarnation has ended, and nobody ordered it."""

    __slots__ = ("body", "child", "reason")

    def __init__(self, child: Child, body: Any, reason: Reason) -> None:
        self.child = child
        self.body = body
        self.reason = reason

    @property
    def name(self) -> str:
        return "the end of a child"

    def call(self, actor: Actor) -> Any:
        return actor._child_ended(self)  # type: ignore[attr-defined]  # the actor is a Supervisor


class Child:
    """A child of the supervisor `owner`."""

    __slots__ = (
        "_letters", "body", "due", "failures", "id", "last", "order", "owner", "pending", "phase", "ref", "restarts",
        "since", "spec", "state", "was",
    )  # fmt: skip

    def __init__(self, owner: Cell, spec: ChildSpec[Any], id: str) -> None:
        self.owner = owner
        self.spec = spec
        self.id = id
        self.phase: Phase = "stopped"
        self.body: Cell | Process[Any] | RemoteProcess | None = None
        self.ref: ActorRef[Any] | Process[Any] | None = None
        self.last: Reason | None = None  # how the last incarnation ended, if another is to follow
        self.was: Cell | None = None  # the last incarnation of an actor
        self.restarts = 0  # incarnations that followed another
        self.failures = 0  # in a row, for the back-off
        self.since: float | None = None  # when the present incarnation was ready
        self.pending: object = None  # the restart for which it waits while it is restarting
        self.order: Literal["stop", "restart"] | None = None
        self.due = math.inf  # until when an incarnation that was told to stop has time to, in the time of the loop
        self.state: Any = None  # what ctx.keep kept
        self._letters: list[Letter] = []

    # -- the record of an actor

    @property
    def mailbox(self) -> list[Letter]:
        """Messages that wait for the next incarnation; what is set is added."""
        return self._letters

    @mailbox.setter
    def mailbox(self, letters: list[Letter]) -> None:
        self._letters = self._letters + [each for each in letters if isinstance(each, tuple) or not each.is_signal]

    def keeps(self, reason: Reason) -> bool:
        """True if the messages that wait are kept, for there will be another incarnation (AC-45)."""
        spec = self.spec
        if not spec.keep_mailbox or self.order == "stop" or self.owner.stopping is not None:
            return False
        if self.order == "restart" or self.phase == "starting":
            return spec.restart != "temporary" and (self.order is not None or self.last is not None)
        return spec.is_restarted_after(reason)

    def begun(self, cell: Cell) -> None:
        """An incarnation has been made, and nothing of it runs yet: what was kept goes to the front of its mailbox."""
        self.ref = self.body = cell
        letters, self._letters = self._letters, []
        if letters:
            for letter in letters:
                if isinstance(letter, Entry) and letter.request is not None:
                    letter.request.cell = cell
            cell.give_back(letters)

    def ended(self, cell: Any, reason: Reason) -> None:
        """An incarnation has ended: tell the supervisor, unless that waits for it."""
        if self.body is cell and self.order is None and self.owner.state not in (ENDING, DEAD):
            self.owner.put_signal(ChildEnded(self, cell, reason))

    # -- its life

    async def start(self) -> None:
        """Start an incarnation, and wait until it is ready.

        Raises ChildStartFailed. Cancelled: what was begun is killed, and `stop` waits for its end.
        """
        self.phase, self.order, self.since = "starting", None, None
        restart = None if self.last is None else Restart(self.last, self.state, self.restarts + 1)
        try:
            await self._leave_nothing()
            await self._start(restart)
        except Exception as failure:
            cause = failure.__cause__ if type(failure) is StartFailed and failure.__cause__ else failure
            told = f"child {self.id!r} of {self.owner.name} could not start: {describe(cause)}"
            if isinstance(self.body, Cell):
                await life.ended(self.body)  # it was killed, and may not be dead yet
            self.gone(Reason("error", error=cause))
            raise ChildStartFailed(told) from cause
        self.phase = "running"
        self.pending = None
        self.since = self.owner.dispatcher.loop.time()
        if restart is not None:
            self.restarts += 1
            self.owner.dispatcher.counters.restarted += 1

    async def _start(self, restart: Restart | None) -> None:
        spec = self.spec
        target: Any
        target, args = (spec.target, spec.args) if not spec.ends else lend((spec.target, spec.args))
        try:
            node = None if spec.on is None else await self.owner.dispatcher.system.hub.place(spec.on)
            if node is not None:
                await self._start_away(node, target, args, restart)
            elif spec.is_actor:
                await spawn(self.owner, kind_of(target), args, name=spec.name, record=self, restart=restart)
            else:
                process = start_process(self.owner, target, args, spec.name or self.id)
                self.ref = self.body = process
                process.add_done_callback(self._process_ended)
        except BaseException:
            if spec.ends:
                close(ends_in((target, args)))
            raise

    async def _start_away(self, node: bytes, target: Any, args: tuple[Any, ...], restart: Restart | None) -> None:
        """Start it on another node: here it is a proxy, a process that ends when the child has (AC-57)."""
        spec, hub = self.spec, self.owner.dispatcher.system.hub
        shutdown = 0.0 if spec.shutdown == "kill" else spec.shutdown
        proxy = hub.starting.foster(node, target, args, spec.name, shutdown, restart, self._keep)
        self.body = proxy
        began(self.owner, proxy)
        self.ref = await proxy.started()
        proxy.add_done_callback(self._process_ended)

    def _keep(self, state: Any) -> None:
        self.state = state

    def _process_ended(self, process: Process[Any] | RemoteProcess) -> None:
        reason = has_ended(process, ordered=self.order is not None or self.owner.stopping is not None)
        self.ended(process, reason)

    async def stop(self, order: Literal["stop", "restart"], reason: Reason = SHUTDOWN) -> None:
        """Stop the present incarnation and wait for its end; it is killed when its time is over (AC-36)."""
        body = self.body
        if body is None:
            self.phase = "stopped"
            return
        self.begin_to_stop(order)
        seconds = None if self.due == math.inf else max(0.0, self.due - self.owner.dispatcher.loop.time())
        if not isinstance(body, Cell):
            await stop_process(body, seconds, reason)
        elif self.spec.shutdown == "kill":
            life.kill(body)
            await life.ended(body)
        else:
            await life.stop_and_wait(body, seconds, reason)
        await self.has_stopped(reason)

    def begin_to_stop(self, order: Literal["stop", "restart"]) -> None:
        """From now on the end of the present incarnation is awaited. Told again, it has no more time than before."""
        if self.order is None:
            shutdown = 0.0 if self.spec.shutdown == "kill" else self.spec.shutdown
            self.due = math.inf if shutdown is None else self.owner.dispatcher.loop.time() + shutdown
        self.order = order
        self.phase = "stopping"

    async def has_stopped(self, reason: Reason) -> None:
        """The present incarnation has ended, for this reason if it was a process; wait for what it left."""
        self.gone(reason if not isinstance(self.body, Cell) or self.body.stopping is None else self.body.stopping)
        await self._leave_nothing()

    def gone(self, reason: Reason) -> None:
        """There is no present incarnation any more."""
        if isinstance(self.body, Cell):
            self.was = self.body
        self.ref = self.body = self.order = None
        self.phase = "stopped"
        self.last = reason

    async def _leave_nothing(self) -> None:
        """Wait for what the last incarnation left: a killed actor is dead before all that it started is (AC-46).

        Actors that are killed and have not ended yet are children of the supervisor by then, its last ones.
        """
        while (orphan := _orphan_of(self.owner)) is not None:
            await life.ended(orphan)  # and then it may leave some itself
        if self.was is not None and self.was.more is not None:
            for process in list(self.was.more.processes or ()):
                await kill_process(process)

    # -- its end for good

    def kill(self) -> None:
        """End it without asking; its end is waited for elsewhere, or by nobody."""
        if isinstance(self.body, Cell):
            life.kill(self.body)
        elif isinstance(self.body, RemoteProcess):
            self.body.kill()
        elif self.body is not None:
            self.body.cancel()

    def start_afresh(self) -> None:
        """It was stopped by hand: what the last incarnation kept is not for the next one."""
        self.discard()
        self.last = self.state = self.pending = None
        self.failures = 0

    def discard(self) -> None:
        """No incarnation will follow: asks that were kept fail, other messages become dead letters."""
        letters, self._letters = self._letters, []
        if letters and self.was is not None:
            life.discard(self.was, letters)

    def give_up(self, failure: BaseException | None) -> None:
        """The child has ended for good: its spec's channel ends are closed, abnormally after a failure (CH-63)."""
        self.discard()
        close(self.spec.ends, failure)

    @property
    def is_over(self) -> bool:
        """True if it cannot be started any more: it had channel ends, and they are closed."""
        return any(end.closed for end in self.spec.ends)


def _orphan_of(owner: Cell) -> Cell | None:
    """A killed actor that has not ended yet and came to the supervisor when its parent died; there is no child behind
    such a one."""
    for cell, record in reversed(more_of(owner).children.items()):
        if record is not None:
            return None
        if cell.more is not None and cell.more.doomed:
            return cell
    return None
