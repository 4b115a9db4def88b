"""Records of actors carry their names, and each is one line whatever is in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorpar as ap
from actorpar.observe.logs import ActorNames, JsonLines, PlainLines
from tests.actors.staff import Desk, PlainDesk, SlowDesk

logger = logging.getLogger("tests.observe.shop")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged to all loggers of these tests, as JSON lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.virtual_time
@pytest.mark.parametrize("cls", [PlainDesk, SlowDesk])
async def test_every_record_logged_in_a_handler_carries_the_name_of_the_actor(
    cls: type[Desk], stream: io.StringIO
) -> None:
    async with ap.ActorSystem() as system:
        names = ActorNames(system)
        for handler in logging.getLogger().handlers:
            handler.addFilter(names)
        try:
            ref = await system.spawn(cls, name="desk")
            await ref.ask(Desk.do, lambda desk: desk.ctx.log.info("by the actor"))
            await ref.ask(Desk.do, lambda desk: logger.info("by a library, %s", 1, extra={"order": 7}))
            logger.info("by the program")
        finally:
            for handler in logging.getLogger().handlers:
                handler.removeFilter(names)
    told = [(line["actor"], line["message"]) for line in lines(stream)]
    assert told == [("desk", "by the actor"), ("desk", "by a library, 1"), ("-", "by the program")]
    assert lines(stream)[1]["order"] == 7
    assert lines(stream)[1]["logger"] == "tests.observe.shop"


@pytest.mark.virtual_time
async def test_the_report_of_a_crash_carries_the_name_and_the_traceback(stream: io.StringIO) -> None:
    def fail(desk: Any) -> None:
        raise KeyError("lost")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        ref.tell(Desk.do, fail)
        await system.ended(ref)
    (line,) = lines(stream)
    assert (line["level"], line["actor"]) == ("ERROR", "desk")
    assert "KeyError: 'lost'" in line["exception"]


@given(st.text(), st.text(), st.text())
def test_a_record_is_one_line_whatever_is_in_it(name: str, message: str, value: str) -> None:
    record = logging.makeLogRecord({"name": name, "msg": "%s", "args": (message,), "actor": name, "value": value})
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert (told["logger"], told["message"], told["value"], told["actor"]) == (name, message, value, name)
    assert PlainLines().format(record).isprintable()


@given(st.text(), st.text())
def test_no_line_of_a_traceback_can_be_taken_for_a_record(text: str, message: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        record = logging.makeLogRecord(
            {"name": "shop", "msg": message, "exc_info": (ValueError, error, error.__traceback__)}
        )
    first, *rest = PlainLines().format(record).split("\n")
    assert first.isprintable()
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert "ValueError" in json.loads(JsonLines().format(record))["exception"]


def test_a_value_that_json_does_not_know_is_written_as_its_text() -> None:
    record = logging.makeLogRecord({"msg": "hello", "where": {1, 2}, "message": "shadow"})
    assert json.loads(JsonLines().format(record))["where"] == "{1, 2}"


def test_long_messages_are_cut() -> None:
    record = logging.makeLogRecord({"name": "shop", "msg": "x" * 1_000_000})
    assert len(JsonLines().format(record)) < 20_000
    assert len(PlainLines().format(record)) < 20_000
