"""A short run of the fuzzing of decode; the long ones are `python -m tests.fuzz.decode --runs N`."""

from __future__ import annotations

import pytest

from actorpar.nodes.codec import audit
from actorpar.nodes.codec.port import Acceptance
from actorpar.nodes.codec.schema import Schema
from tests.fuzz import decode


def test_bytes_of_a_stranger_are_values_or_codec_errors_and_nothing_is_unpickled() -> None:
    audit.install()
    audit.counts.clear()
    target = decode.fuzz(8000, seed=7)
    assert target.findings == []
    assert 1000 < target.refused < target.runs - 500
    assert not audit.counts


def test_the_seeds_are_accepted() -> None:
    target = decode.Target()
    for data in decode.seeds():
        target.run(data)
    assert (target.findings, target.refused) == ([], 0)


@pytest.mark.parametrize(
    ("cls", "name", "fault"),
    [
        (Acceptance, "close", lambda acceptance: None),
        (Schema, "_came_wrong", lambda schema, error: error),
    ],
)
def test_a_fault_in_the_codec_is_found(monkeypatch: pytest.MonkeyPatch, cls: type, name: str, fault: object) -> None:
    monkeypatch.setattr(cls, name, fault)
    assert decode.fuzz(10_000).findings
