"""A short run of the fuzzing of a link; the long ones are `python -m tests.fuzz.link --runs N`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actorpar.channels import env
from actorpar.nodes.codec import audit
from actorpar.nodes.lending import Lending
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.remote import ops
from actorpar.nodes.remote.table import ChannelTable
from tests.fuzz import driving, link


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target numbers its ids, and this is undone."""
    monkeypatch.setattr(env, "new_id", env.new_id)


def test_whatever_a_linked_peer_says_the_link_goes_on_or_ends_with_a_reason() -> None:
    audit.install()
    audit.counts.clear()
    target = link.fuzz(4000, seed=7)
    assert target.findings == []
    assert 500 < target.refused < target.runs - 500
    assert not audit.counts


def test_the_seeds_reach_every_op_and_every_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, str]] = set()
    on_op = ChannelTable.on_op

    def noting(table: ChannelTable, peer: Any, op: Any) -> None:
        reached.add((type(op).__name__, type(peer.ends.get(op.alias)).__name__))
        on_op(table, peer, op)

    of_memory: set[str] = set()
    say = Lending.on_op

    def noting_memory(lending: Lending, op: Any) -> None:
        of_memory.add(type(op).__name__)
        say(lending, op)

    monkeypatch.setattr(ChannelTable, "on_op", noting)
    monkeypatch.setattr(Lending, "on_op", noting_memory)
    target = link.Target()
    for data in link.seeds(target):
        target.run(data)
    target.close()
    assert target.findings == []
    assert {op for op, _ in reached} >= {each.__name__ for each in ops.Op.__subclasses__()} - {
        "Members",
        "Gone",
        "OfMemory",
    }
    assert len({end for _, end in reached}) >= 9
    assert of_memory == {each.__name__ for each in ops.OfMemory.__subclasses__()}


@pytest.mark.parametrize(
    ("cls", "name", "fault"),
    [
        (Inbound, "fragment_done", lambda inbound, lane: inbound._assemblies.pop(99)),
        (ChannelTable, "forget", lambda table, channel, nonce: None),
        (ChannelTable, "is_expected", lambda table, channel, nonce: 1 // 0),
    ],
)
def test_a_fault_in_a_link_is_found(monkeypatch: pytest.MonkeyPatch, cls: type, name: str, fault: object) -> None:
    target = link.Target()
    seeds = link.seeds(target)
    with monkeypatch.context() as planted:
        planted.setattr(cls, name, fault)
        driving.fuzz(target, seeds, 3000, seed=1)
    target.close()
    assert target.findings


def test_ten_million_inputs_were_run_and_none_was_a_finding() -> None:
    record = json.loads((Path(__file__).parents[2] / "docs" / "fuzzing.json").read_text())
    assert sum(each["runs"] for each in record["runs"]) >= 10_000_000
    assert {each["target"] for each in record["runs"]} == {"decode", "link"}
    assert all(each["findings"] == 0 for each in record["runs"])
