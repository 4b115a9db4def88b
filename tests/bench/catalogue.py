"""Every group, in the order they run and are printed."""

from fnmatch import fnmatchcase

from . import (
    across,
    actors,
    choosing,
    crossing,
    devices,
    downloads,
    idle,
    imports,
    io_under_load,
    links,
    pipelines,
    pools,
    ranks,
    savina,
    streams,
    switching,
)
from .cases import Group

TOPICS = (
    streams,
    switching,
    choosing,
    crossing,
    io_under_load,
    actors,
    idle,
    savina,
    pipelines,
    pools,
    links,
    across,
    ranks,
    devices,
    downloads,
    imports,
)


def every_group() -> list[Group]:
    """All groups; their names are unique."""
    return [group for topic in TOPICS for group in topic.groups()]


def matching(*patterns: str) -> list[Group]:
    """The groups whose name contains one of the patterns; `*` and `?` stand for any text, as in file names."""
    return [
        group
        for group in every_group()
        if any(fnmatchcase(group.name.lower(), f"*{pattern.lower()}*") for pattern in patterns)
    ]
