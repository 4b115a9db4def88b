"""Who gets a link: HELLO judged by what is known of the other node."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import HandshakeRefused
from actorpar.nodes.protocol import handshake
from actorpar.nodes.protocol.handshake import Hello, Known

ME, YOU = b"m" * 16, b"y" * 16


def hello(node: bytes = YOU, *, incarnation: int = 5, session: bytes = b"s" * 16, fresh: bool = True, **facts: object):  # type: ignore[no-untyped-def]
    base = Hello(
        handshake.MAGIC, handshake.VERSION, node, "name", incarnation, session, fresh, 1, 1 << 20, (), "host", b"app",
        (), 1, 1,
    )  # fmt: skip
    return msgspec.structs.replace(base, **facts)


def code_of(theirs: Hello, known: Known = Known()) -> str:  # noqa: B008  # frozen
    with pytest.raises(HandshakeRefused) as refused:
        handshake.judge(hello(ME), theirs, known)
    return refused.value.code


def test_net31_a_new_node_gets_a_fresh_session() -> None:
    verdict = handshake.judge(hello(ME), hello(), Known())
    assert (verdict.resume, verdict.replaces) == (False, False)


def test_net31_other_code_is_refused() -> None:
    assert code_of(hello(app=b"other")) == "app"


def test_net31_a_node_does_not_link_to_itself() -> None:
    assert code_of(hello(ME)) == "self"


def test_net30_of_two_links_that_are_opened_at_once_the_one_of_the_greater_id_stays() -> None:
    dialing = Known(dialing=True)
    assert handshake.judge(hello(ME), hello(YOU), dialing).resume is False
    with pytest.raises(HandshakeRefused, match="a link between these nodes"):
        handshake.judge(hello(YOU), hello(ME), dialing)


def test_net30_a_second_link_is_refused() -> None:
    assert code_of(hello(), Known(incarnation=5, session=b"s" * 16)) == "duplicate"


def test_net33_a_session_is_resumed_by_its_id_only() -> None:
    known = Known(incarnation=5, session=b"s" * 16)
    assert handshake.judge(hello(ME), hello(fresh=False), known).resume
    assert code_of(hello(fresh=False, session=b"x" * 16), known) == "session"
    assert code_of(hello(fresh=False), Known(incarnation=5)) == "session"


def test_net42_a_newer_incarnation_proves_the_death_of_the_older() -> None:
    assert handshake.judge(hello(ME), hello(incarnation=6), Known(incarnation=5, session=b"s" * 16)).replaces
    assert code_of(hello(incarnation=6, fresh=False), Known(incarnation=5, session=b"s" * 16)) == "session"


def test_net43_an_incarnation_that_is_down_stays_down() -> None:
    assert code_of(hello(incarnation=5), Known(down=5)) == "fenced"
    assert code_of(hello(incarnation=4), Known(incarnation=5)) == "fenced"
    assert not handshake.judge(hello(ME), hello(incarnation=6), Known(down=5)).resume


def test_net31_another_version_is_told_and_anything_else_is_malformed() -> None:
    with pytest.raises(HandshakeRefused) as refused:
        handshake.decode(handshake.encode(hello(version=2)))
    assert refused.value.code == "version"
    for facts in ({"magic": "x"}, {"node": b"short"}, {"name": "a\nb"}, {"name": ""}, {"incarnation": 0}):
        with pytest.raises(HandshakeRefused) as refused:
            handshake.decode(handshake.encode(hello(**facts)))
        assert refused.value.code == "malformed"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_net31_any_bytes_are_a_hello_or_refused(data: bytes) -> None:
    with contextlib.suppress(HandshakeRefused):
        assert handshake.decode(data).magic == handshake.MAGIC
    assert handshake.decode_refusal(data).code


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_a16_a_name_that_could_forge_log_lines_is_refused(name: str) -> None:
    if handshake.NAME.fullmatch(name):
        assert handshake.decode(handshake.encode(hello(name=name))).name == name
    else:
        with pytest.raises(HandshakeRefused):
            handshake.decode(handshake.encode(hello(name=name)))
