"""What a node notes of pickle and marshal."""

from __future__ import annotations

import collections
import importlib
import json
import marshal
import pickle
from collections.abc import Iterator

import pytest

from actorpar.nodes.codec import audit


@pytest.fixture(autouse=True)
def nothing_noted() -> Iterator[None]:
    audit.install()
    audit.events.clear()
    audit.counts.clear()
    yield
    audit.events.clear()
    audit.counts.clear()


@pytest.mark.parametrize("load", [pickle.loads, pickle._loads], ids=["in C", "in Python"])  # type: ignore[attr-defined]
def test_a_class_that_pickle_looks_up_is_noted_with_the_line_that_did(load: object) -> None:
    text = pickle.dumps(collections.OrderedDict(a=1))
    assert callable(load)
    load(text)
    assert audit.counts == {"pickle.find_class": 1}
    assert audit.events[0].startswith("pickle.find_class collections.OrderedDict at ")


def test_a_marshal_is_noted() -> None:
    marshal.loads(marshal.dumps([1, 2]))
    assert audit.counts == {"marshal.loads": 1}
    assert __file__ in audit.events[0]


def test_what_is_allowed_is_not_noted_and_what_comes_after_is() -> None:
    text = pickle.dumps(collections.OrderedDict(a=1))
    with audit.allowed():
        pickle.loads(text)
    assert not audit.events
    pickle.loads(text)
    assert len(audit.events) == 1


def test_the_import_of_a_module_is_no_marshal() -> None:
    importlib.reload(json)
    assert not audit.events


def test_what_is_noted_takes_no_more_memory_however_long_a_program_unpickles() -> None:
    text = marshal.dumps(1)
    for _ in range(3000):
        marshal.loads(text)
    assert len(audit.events) == 1000
    assert audit.counts["marshal.loads"] == 3000
