"""Who gets a link: HELLO judged by what is known of the other node."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import CodecError, HandshakeRefused
from actorpar.nodes.protocol import handshake
from actorpar.nodes.protocol.handshake import Hello, Known

ME, YOU = b"m" * 16, b"y" * 16


def hello(
    node: bytes = YOU, *, incarnation: int = 5, session: bytes = b"s" * 16, fresh: bool = True, **facts: Any
) -> Hello:
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
    assert code_of(hello(session=b"t" * 16), Known(incarnation=5, session=b"s" * 16)) == "duplicate"


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
    wrong: list[dict[str, Any]] = [
        {"magic": "x"},
        {"node": b"short"},
        {"name": "a\nb"},
        {"name": ""},
        {"incarnation": 0},
        {"next_seq": 0},
        {"message_limit": 0},
        {"session": b""},
        {"version": "1"},
        {"name": "n" * 201},
    ]
    for facts in wrong:
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


def test_net31_a_node_of_another_version_is_told_so_whatever_else_it_says() -> None:
    for rest in ([], ["a", "new", "layout"], [b"n" * 16, {"deep": [1, 2]}]):
        assert refusal(msgspec.msgpack.encode([handshake.MAGIC, 2, *rest])) == "version"
    assert refusal(msgspec.msgpack.encode(["other", 2])) == "malformed"
    assert refusal(msgspec.msgpack.encode([handshake.MAGIC, handshake.VERSION])) == "malformed"
    assert refusal(handshake.encode(hello()) + b"\0") == "malformed"


def refusal(data: bytes) -> str:
    with pytest.raises(HandshakeRefused) as refused:
        handshake.decode(data)
    return refused.value.code


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202egnp.exe", "\0"])
def test_a16_no_text_of_another_node_can_forge_log_lines(text: str) -> None:
    wrong: list[dict[str, Any]] = [{"host": text}, {"addresses": (text,)}, {"labels": ("gpu", text)}]
    for facts in wrong:
        assert refusal(handshake.encode(hello(**facts))) == "malformed"


def test_net31_what_does_not_fit_a_greeting_is_refused_before_it_is_said() -> None:
    with pytest.raises(CodecError, match="fewer labels"):
        handshake.encode(hello(labels=tuple(f"label{number}" for number in range(1000))))


def test_net31_a_refusal_tells_nothing_but_a_code_that_is_known() -> None:
    for code in ("version", "fenced", "auth"):
        assert handshake.decode_refusal(handshake.encode_refusal(code)).code == code
    strange = handshake.decode_refusal(msgspec.msgpack.encode(("\x1b[31m", "run this")))
    assert strange.code == "malformed"
    assert "run this" not in str(strange)


def test_net36_a_session_of_another_incarnation_or_another_id_is_never_resumed() -> None:
    known = Known(incarnation=5, session=b"s" * 16)
    assert code_of(hello(fresh=False, incarnation=4), known) == "fenced"
    assert code_of(hello(fresh=False, incarnation=6), known) == "session"
    assert code_of(hello(fresh=False, session=b"t" * 16), known) == "session"
    assert code_of(hello(fresh=False, session=b""), Known(incarnation=5)) == "session"
    assert code_of(hello(fresh=False), Known(incarnation=5, session=b"s" * 16, down=5)) == "fenced"


facts_known = st.builds(
    Known,
    incarnation=st.integers(0, 3),
    session=st.sampled_from([b"", b"s" * 16, b"t" * 16]),
    dialing=st.booleans(),
    down=st.integers(0, 3),
    can_resume=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(facts_known, st.integers(1, 4), st.booleans(), st.booleans())
def test_net42_whatever_is_known_the_verdict_keeps_the_rules(
    known: Known, incarnation: int, fresh: bool, greater: bool
) -> None:
    mine, theirs = (hello(ME), hello(YOU)) if greater else (hello(YOU), hello(ME))
    theirs = msgspec.structs.replace(theirs, incarnation=incarnation, fresh=fresh)
    try:
        verdict = handshake.judge(mine, theirs, known)
    except HandshakeRefused as refused:
        assert refused.code in ("fenced", "session", "duplicate")  # noqa: PT017
        return
    assert incarnation > known.down
    assert incarnation >= known.incarnation
    assert verdict.resume or fresh
    if verdict.resume:
        assert theirs.session == known.session
        assert known.can_resume
        assert known.incarnation in (0, incarnation)
    if verdict.replaces:
        assert incarnation > known.incarnation > 0
    elif not verdict.resume:
        assert not known.session or (known.dialing and theirs.node > mine.node)


def test_net33_a_session_goes_on_by_its_id_even_if_one_side_has_not_heard_welcome() -> None:
    here = Known(incarnation=5, session=b"s" * 16)
    assert handshake.judge(hello(ME), hello(fresh=True), here).resume  # it said HELLO again
    offered = Known(session=b"s" * 16, dialing=True)
    for me, you in ((ME, YOU), (YOU, ME)):  # its WELCOME to this node was lost, and now it dials
        assert handshake.judge(hello(me), hello(you, fresh=False), offered).resume


def test_net33_a_hello_that_was_said_long_ago_resumes_nothing() -> None:
    assert code_of(hello(fresh=False), Known(incarnation=5, session=b"s" * 16, can_resume=False)) == "session"


def test_net33_a_session_that_begins_begins_with_its_first_frame() -> None:
    """Otherwise a link would be made whose first connection breaks at once, and nobody would end it."""
    assert code_of(hello(next_seq=5), Known()) == "session"
    assert code_of(hello(next_seq=5, incarnation=6), Known(incarnation=5)) == "session"
