"""What may be said in the chat, by whom, and how often."""

from __future__ import annotations

import pytest

from examples.chat.words import BURST, PER_SECOND, Allowance, BadName, checked_nick, checked_room, checked_text


@pytest.mark.parametrize("name", ["lobby", "a", "room-7", "0"])
def test_a_room_may_be_called(name: str) -> None:
    assert checked_room(name) == name


@pytest.mark.parametrize("name", ["", "-a", "Lobby", "a b", "a/b", "..", "é", "a" * 31, "lobby\n"])
def test_a_room_may_not_be_called(name: str) -> None:
    with pytest.raises(BadName):
        checked_room(name)


@pytest.mark.parametrize(
    ("nick", "kept"),
    [("Ada", "Ada"), (" Ada L. ", "Ada L."), ("Šárka", "Šárka"), ("愛", "愛"), ("\uff21\uff44\uff41", "Ada")],
)
def test_a_nickname_is_normal_letters_of_any_script(nick: str, kept: str) -> None:
    assert checked_nick(nick) == kept


@pytest.mark.parametrize("nick", ["", "  ", "<b>", "a\u200bb", "\u202eadA", "a\nb", "x" * 25, "a/b"])
def test_a_nickname_has_nothing_invisible_and_no_markup(nick: str) -> None:
    with pytest.raises(BadName):
        checked_nick(nick)


@pytest.mark.parametrize(
    ("text", "kept"),
    [(" hello ", "hello"), ("a\nb", "a\nb"), ("a\0\x1b[31mb", "a[31mb"), ("\t \n", None), ("", None), ("<b>", "<b>")],
)
def test_a_text_loses_control_characters_and_keeps_markup(text: str, kept: str | None) -> None:
    assert checked_text(text) == kept


def test_one_may_speak_in_a_burst_and_then_as_the_bucket_fills() -> None:
    now = 0.0
    allowance = Allowance(lambda: now)
    assert [allowance.take() for _ in range(BURST + 1)] == [True] * BURST + [False]
    now += 1 / PER_SECOND
    assert [allowance.take(), allowance.take()] == [True, False]
    now += 3600
    assert [allowance.take() for _ in range(BURST + 1)] == [True] * BURST + [False]
