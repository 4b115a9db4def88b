"""Teams at work, for the tests: a function for each member, run as processes of one group or on nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from actorpar.channels.group import ProcessGroup
from actorpar.teams.seat import Seat, open_team
from actorpar.teams.team import Team

Member = Callable[[Team[Any]], Coroutine[Any, Any, Any]]


async def together(size: int, member: Member, *, item: Any = Any, limit: float = 60.0, **options: Any) -> list[Any]:
    """What each member returns, or the exception that it ends with."""

    async def seated(seat: Seat[Any]) -> Any:
        async with seat as team:
            return await member(team)

    async def kept(seat: Seat[Any]) -> Any:
        try:
            return await seated(seat)
        except Exception as error:
            return error

    seats = open_team[item](size, **options)
    async with ProcessGroup() as group:
        processes = [group.spawn(kept, seat) for seat in seats]
        async with asyncio.timeout(limit):
            return [await process for process in processes]


def of_team(size: int, member: Member, **options: Any) -> list[Any]:
    """The same, in a loop of its own."""
    return asyncio.run(together(size, member, **options))
