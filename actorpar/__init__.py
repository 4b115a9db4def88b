"""actorpar: actors and CSP channels on asyncio.

`import actorpar as ap` is all a program needs. Every name is loaded at its first use (PEP 562), so that importing the
package costs little more than importing asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .actors.actor import Actor as Actor
    from .actors.actor import blocking as blocking
    from .actors.backoff import Backoff as Backoff
    from .actors.bonds import Monitor as Monitor
    from .actors.child import ChildSpec as ChildSpec
    from .actors.child import child as child
    from .actors.context import ActorContext as ActorContext
    from .actors.errors import ActorDead as ActorDead
    from .actors.errors import ActorError as ActorError
    from .actors.errors import AskCycle as AskCycle
    from .actors.errors import AskTimeout as AskTimeout
    from .actors.errors import AskToSelf as AskToSelf
    from .actors.errors import BadArguments as BadArguments
    from .actors.errors import BrokenPromise as BrokenPromise
    from .actors.errors import DeathPact as DeathPact
    from .actors.errors import HandlerFailed as HandlerFailed
    from .actors.errors import InvalidActor as InvalidActor
    from .actors.errors import MailboxFull as MailboxFull
    from .actors.errors import NameTaken as NameTaken
    from .actors.errors import Reject as Reject
    from .actors.errors import StartFailed as StartFailed
    from .actors.errors import StashFull as StashFull
    from .actors.errors import UnhandledMessage as UnhandledMessage
    from .actors.events import DeadLetter as DeadLetter
    from .actors.events import Ended as Ended
    from .actors.events import Event as Event
    from .actors.events import Started as Started
    from .actors.events import Traced as Traced
    from .actors.events import Unhandled as Unhandled
    from .actors.groups import GroupChange as GroupChange
    from .actors.guard import send_to as send_to
    from .actors.reason import KILLED as KILLED
    from .actors.reason import NOCONNECTION as NOCONNECTION
    from .actors.reason import NOPROC as NOPROC
    from .actors.reason import NORMAL as NORMAL
    from .actors.reason import SHUTDOWN as SHUTDOWN
    from .actors.reason import Down as Down
    from .actors.reason import Exit as Exit
    from .actors.reason import Reason as Reason
    from .actors.reason import Restart as Restart
    from .actors.ref import ActorRef as ActorRef
    from .actors.refusals import ChildRunning as ChildRunning
    from .actors.refusals import ChildStartFailed as ChildStartFailed
    from .actors.refusals import DuplicateChild as DuplicateChild
    from .actors.refusals import InvalidChild as InvalidChild
    from .actors.refusals import UnknownChild as UnknownChild
    from .actors.registry import InvalidName as InvalidName
    from .actors.reply import Reply as Reply
    from .actors.strategies import Strategy as Strategy
    from .actors.strategies import dynamic as dynamic
    from .actors.strategies import one_for_all as one_for_all
    from .actors.strategies import one_for_one as one_for_one
    from .actors.strategies import rest_for_one as rest_for_one
    from .actors.supervisor import ChildCounts as ChildCounts
    from .actors.supervisor import ChildInfo as ChildInfo
    from .actors.supervisor import Supervisor as Supervisor
    from .actors.threadref import ThreadRef as ThreadRef
    from .actors.timers import Timer as Timer
    from .channels.broadcast import Broadcast as Broadcast
    from .channels.broadcast import open_broadcast as open_broadcast
    from .channels.errors import ActorparError as ActorparError
    from .channels.errors import AllClosed as AllClosed
    from .channels.errors import ChannelAborted as ChannelAborted
    from .channels.errors import ChannelBroken as ChannelBroken
    from .channels.errors import ChannelClosed as ChannelClosed
    from .channels.errors import ChannelEmpty as ChannelEmpty
    from .channels.errors import ChannelError as ChannelError
    from .channels.errors import ChannelFull as ChannelFull
    from .channels.errors import Deadlock as Deadlock
    from .channels.errors import EndForked as EndForked
    from .channels.errors import EndMoved as EndMoved
    from .channels.errors import EndOfChannel as EndOfChannel
    from .channels.errors import InvalidCapacity as InvalidCapacity
    from .channels.errors import InvalidGuard as InvalidGuard
    from .channels.errors import NotPicklable as NotPicklable
    from .channels.errors import WouldBlock as WouldBlock
    from .channels.errors import WrongLoop as WrongLoop
    from .channels.group import ProcessGroup as ProcessGroup
    from .channels.group import par as par
    from .channels.guard import Guard as Guard
    from .channels.guard import default as default
    from .channels.guard import receive_from as receive_from
    from .channels.opening import after as after
    from .channels.opening import never as never
    from .channels.opening import open_channel as open_channel
    from .channels.opening import tick as tick
    from .channels.permit import Permit as Permit
    from .channels.process import Process as Process
    from .channels.receiver import Receiver as Receiver
    from .channels.select import Selector as Selector
    from .channels.select import select as select
    from .channels.sender import Sender as Sender
    from .channels.statistics import Statistics as Statistics
    from .channels.threads import ThreadReceiver as ThreadReceiver
    from .channels.threads import ThreadSender as ThreadSender
    from .flow.errors import InvalidPipeline as InvalidPipeline
    from .flow.errors import PipelineUsed as PipelineUsed
    from .flow.errors import StageFailed as StageFailed
    from .flow.lanes import PoolClosed as PoolClosed
    from .flow.pipeline import Pipeline as Pipeline
    from .flow.pipeline import pipeline as pipeline
    from .flow.pool import ActorPool as ActorPool
    from .flow.pool import pool as pool
    from .flow.results import Results as Results
    from .flow.retry import Retry as Retry
    from .flow.router import NoMembers as NoMembers
    from .flow.router import Router as Router
    from .flow.source import iterate_in_thread as iterate_in_thread
    from .flow.stage import DeadLetterItem as DeadLetterItem
    from .flow.stage import Stage as Stage
    from .flow.stage import stage as stage
    from .flow.view import StageView as StageView
    from .flow.view import View as View
    from .nodes.errors import BindRefused as BindRefused
    from .nodes.errors import CodecError as CodecError
    from .nodes.errors import HandshakeRefused as HandshakeRefused
    from .nodes.errors import ItemTypeError as ItemTypeError
    from .nodes.errors import KeyRefused as KeyRefused
    from .nodes.errors import LinkLost as LinkLost
    from .nodes.errors import MpiError as MpiError
    from .nodes.errors import MpiMissing as MpiMissing
    from .nodes.errors import NodeDown as NodeDown
    from .nodes.errors import NodeError as NodeError
    from .nodes.errors import NotImportable as NotImportable
    from .nodes.errors import OutOfSlabs as OutOfSlabs
    from .nodes.errors import ProtocolError as ProtocolError
    from .nodes.errors import RemoteError as RemoteError
    from .nodes.errors import Unreachable as Unreachable
    from .nodes.errors import WrongLauncher as WrongLauncher
    from .nodes.events import NodeLost as NodeLost
    from .nodes.events import NodeSilent as NodeSilent
    from .nodes.events import NodeStalled as NodeStalled
    from .nodes.events import NodeUp as NodeUp
    from .nodes.slabs import empty_shared as empty_shared
    from .observe.inspection import ActorInfo as ActorInfo
    from .observe.sockets import ControlError as ControlError
    from .parallel.errors import ProcessPoolClosed as ProcessPoolClosed
    from .parallel.errors import WorkerLost as WorkerLost
    from .parallel.processpool import ProcessPool as ProcessPool
    from .running import Terminated as Terminated
    from .running import run as run
    from .system import ActorSystem as ActorSystem
    from .teams.cartesian import Cartesian as Cartesian
    from .teams.cartesian import balanced_dims as balanced_dims
    from .teams.errors import InvalidCall as InvalidCall
    from .teams.errors import InvalidTopology as InvalidTopology
    from .teams.errors import TeamBroken as TeamBroken
    from .teams.errors import TeamError as TeamError
    from .teams.errors import TeamMismatch as TeamMismatch
    from .teams.neighbourhood import Grid as Grid
    from .teams.neighbourhood import Neighbour as Neighbour
    from .teams.neighbourhood import Neighbourhood as Neighbourhood
    from .teams.ops import BAND as BAND
    from .teams.ops import BOR as BOR
    from .teams.ops import BXOR as BXOR
    from .teams.ops import LAND as LAND
    from .teams.ops import LOR as LOR
    from .teams.ops import LXOR as LXOR
    from .teams.ops import MAX as MAX
    from .teams.ops import MIN as MIN
    from .teams.ops import PROD as PROD
    from .teams.ops import SUM as SUM
    from .teams.ops import Op as Op
    from .teams.placement import place as place
    from .teams.seat import Seat as Seat
    from .teams.seat import open_team as open_team
    from .teams.team import Team as Team

_HOMES = {
    "actors.actor": "Actor blocking",
    "actors.backoff": "Backoff",
    "actors.bonds": "Monitor",
    "actors.child": "ChildSpec child",
    "actors.context": "ActorContext",
    "actors.errors": "ActorDead ActorError AskCycle AskTimeout AskToSelf BadArguments BrokenPromise DeathPact "
    "HandlerFailed InvalidActor MailboxFull NameTaken Reject StartFailed StashFull UnhandledMessage",
    "actors.events": "DeadLetter Ended Event Started Traced Unhandled",
    "actors.groups": "GroupChange",
    "actors.guard": "send_to",
    "actors.reason": "KILLED NOCONNECTION NOPROC NORMAL SHUTDOWN Down Exit Reason Restart",
    "actors.ref": "ActorRef",
    "actors.refusals": "ChildRunning ChildStartFailed DuplicateChild InvalidChild UnknownChild",
    "actors.registry": "InvalidName",
    "actors.reply": "Reply",
    "actors.strategies": "Strategy dynamic one_for_all one_for_one rest_for_one",
    "actors.supervisor": "ChildCounts ChildInfo Supervisor",
    "actors.threadref": "ThreadRef",
    "actors.timers": "Timer",
    "channels.broadcast": "Broadcast open_broadcast",
    "channels.receiver": "Receiver",
    "channels.sender": "Sender",
    "channels.errors": "ActorparError AllClosed ChannelAborted ChannelBroken ChannelClosed ChannelEmpty ChannelError "
    "ChannelFull Deadlock EndForked EndMoved EndOfChannel InvalidCapacity InvalidGuard NotPicklable WouldBlock "
    "WrongLoop",
    "channels.group": "ProcessGroup par",
    "channels.guard": "Guard default receive_from",
    "channels.opening": "after never open_channel tick",
    "channels.permit": "Permit",
    "channels.process": "Process",
    "channels.select": "Selector select",
    "channels.statistics": "Statistics",
    "channels.threads": "ThreadReceiver ThreadSender",
    "flow.errors": "InvalidPipeline PipelineUsed StageFailed",
    "flow.lanes": "PoolClosed",
    "flow.pipeline": "Pipeline pipeline",
    "flow.pool": "ActorPool pool",
    "flow.results": "Results",
    "flow.retry": "Retry",
    "flow.router": "NoMembers Router",
    "flow.source": "iterate_in_thread",
    "flow.stage": "DeadLetterItem Stage stage",
    "flow.view": "StageView View",
    "nodes.errors": "BindRefused CodecError HandshakeRefused ItemTypeError KeyRefused LinkLost NodeDown NodeError "
    "MpiError MpiMissing NotImportable OutOfSlabs ProtocolError RemoteError Unreachable WrongLauncher",
    "nodes.events": "NodeLost NodeSilent NodeStalled NodeUp",
    "nodes.slabs": "empty_shared",
    "observe.inspection": "ActorInfo",
    "observe.sockets": "ControlError",
    "parallel.errors": "ProcessPoolClosed WorkerLost",
    "parallel.processpool": "ProcessPool",
    "running": "Terminated run",
    "system": "ActorSystem",
    "teams.cartesian": "Cartesian balanced_dims",
    "teams.errors": "InvalidCall InvalidTopology TeamBroken TeamError TeamMismatch",
    "teams.neighbourhood": "Grid Neighbour Neighbourhood",
    "teams.ops": "BAND BOR BXOR LAND LOR LXOR MAX MIN PROD SUM Op",
    "teams.placement": "place",
    "teams.seat": "Seat open_team",
    "teams.team": "Team",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name for Any

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
