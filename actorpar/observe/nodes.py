"""The nodes of a system as plain data, fit for JSON: a part of the snapshot of the one that is looked at.

What can be seen from here is of this moment: links, bytes, silence. What only a node itself knows, its figures, is what
it answered last, `age` seconds ago: a node whose loop is blocked answers nothing, and is seen all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from ..channels import env
from .devices import DEVICES, DeviceRow, row_of
from .text import printable

if TYPE_CHECKING:
    from ..nodes.remote.ops import Member
    from ..remote.survey import Answer, Survey

#: here     the one that was looked at
#: up       linked, and it speaks
#: stalled  linked, and its loop does not run: a handler computes, or blocks
#: silent   linked, and nothing is heard of it: it is stopped, or cannot be reached
#: broken   its connection is being made again
#: lost     down for good; `reason` says how that is known
State: TypeAlias = Literal["here", "up", "stalled", "silent", "broken", "lost"]
#: Nodes of one snapshot, and links of one node.
NODES: Final = 256


class FiguresRow(TypedDict):
    """What a node measures of itself; the fields are those of `remote.messages.Figures`."""

    clock: float
    cpu: float
    memory: int | None
    load: float | None
    lag: float
    cores: int
    actors: int
    messages: int
    ends: int
    links: dict[str, list[int]]
    hostname: str
    platform: str
    python: str
    devices: list[DeviceRow]


class NodeRow(TypedDict):
    """One node.

    link            what the link to it runs over: pipe, unix, tcp or tls; empty where there is none
    heard           seconds since anything came from it; an idle node sends a heartbeat each second
    stall           seconds for which its loop had not run, as its heartbeats tell; 0 if it runs
    sent, received  bytes to it and from it, in all; here: of all links
    age             seconds since its figures came; None as long as it has answered nothing
    """

    name: str
    state: State
    pid: int
    cores: int
    labels: list[str]
    addresses: list[str]
    link: str
    heard: float | None
    stall: float
    sent: int
    received: int
    reason: str
    age: float | None
    figures: FiguresRow | None


def node_rows(survey: Survey) -> list[NodeRow]:
    """The nodes: this one first, then those that it is linked to by name, then the lost, the latest first."""
    node = survey.node
    survey.look()
    others = sorted((each for each in node.members.values() if each.node in node.links), key=lambda each: each.name)
    rows = [_row(survey, node.member), *(_row(survey, member) for member in others[: NODES - 1])]
    return rows + [_lost(lost.node, lost.reason) for lost in reversed(survey.lost)]


def _row(survey: Survey, member: Member) -> NodeRow:
    row = _plain(member)
    answer = survey.answer(member)
    if answer is not None:
        row["figures"], row["age"] = _figures(answer), env.clock() - answer.at
    if member.node == survey.node.id:
        traffic = [link.traffic for link in survey.node.links.values()]
        row["sent"], row["received"] = sum(sent for sent, _ in traffic), sum(received for _, received in traffic)
        return row
    link = survey.node.links[member.node]
    row["link"] = link.medium
    row["heard"] = link.liveness.silence(env.clock())
    row["stall"] = link.stall
    row["sent"], row["received"] = link.traffic
    if link.stream is None:
        row["state"] = "broken"
    elif link.liveness.suspected and not link.is_patient:
        row["state"] = "silent"
    else:
        row["state"] = "stalled" if link.stall else "up"
    return row


def _lost(member: Member, reason: str) -> NodeRow:
    row = _plain(member)
    row["state"], row["reason"] = "lost", printable(reason)
    return row


def _plain(member: Member) -> NodeRow:
    return NodeRow(
        name=member.name, state="here", pid=member.pid, cores=member.cores, labels=list(member.labels),
        addresses=list(member.addresses), link="", heard=None, stall=0.0, sent=0, received=0, reason="", age=None,
        figures=None,
    )  # fmt: skip


def _figures(answer: Answer) -> FiguresRow:
    figures = answer.figures
    links = list(figures.links.items())[:NODES]
    return FiguresRow(
        clock=figures.clock, cpu=figures.cpu, memory=figures.memory, load=figures.load, lag=figures.lag,
        cores=figures.cores, actors=figures.actors, messages=figures.messages, ends=figures.ends,
        links={printable(name): list(traffic) for name, traffic in links},
        hostname=printable(figures.hostname), platform=printable(figures.platform), python=printable(figures.python),
        devices=[row_of(each) for each in figures.devices[:DEVICES]],
    )  # fmt: skip
