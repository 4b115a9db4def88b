"""Text of strangers is made fit for logs and terminals (A16)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorpar.observe.text import call_shown, printable, shown


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_printable_text_is_one_line_without_anything_invisible(text: str) -> None:
    made = printable(text, limit=20)
    assert made.isprintable()
    assert len(made) <= 20 * len("\\U0010ffff")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_text_that_is_printable_and_short_stays_as_it_is(text: str) -> None:
    assert printable(text, limit=50) == text


@given(st.lists(st.text()), st.dictionaries(st.text(), st.binary()))
def test_arguments_are_printable_whatever_they_are(args: list[str], kwargs: dict[str, bytes]) -> None:
    assert call_shown(tuple(args), dict(kwargs)).isprintable()


def test_escapes_tell_what_stood_there() -> None:
    assert printable("a\nb\x1b[2J\u202e") == "a\\nb\\x1b[2J\\u202e"


def test_a_repr_that_raises_is_told_by_its_type() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "Rude" in shown(Rude())
    assert "Rude" in shown([Rude()])


def test_a_long_value_is_shortened() -> None:
    assert len(shown("x" * 1_000_000)) <= 200
    assert len(call_shown(tuple(range(100_000)), {})) <= 200
