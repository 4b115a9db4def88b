"""The site that misbehaves, ready to use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .site import Site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A fresh site on a free port of loopback."""
    async with Site() as site:
        yield site
