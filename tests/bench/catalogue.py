"""Every group, in the order they run and are printed."""

from fnmatch import fnmatchcase

from . import choosing, crossing, downloads, imports, io_under_load, streams, switching
from .cases import Group

TOPICS = (streams, switching, choosing, crossing, io_under_load, downloads, imports)


def every_group() -> list[Group]:
    """All groups; their names are unique."""
    return [group for topic in TOPICS for group in topic.groups()]


def matching(pattern: str) -> list[Group]:
    """The groups whose name contains the pattern; `*` and `?` stand for any text, as in file names."""
    return [group for group in every_group() if fnmatchcase(group.name.lower(), f"*{pattern.lower()}*")]
