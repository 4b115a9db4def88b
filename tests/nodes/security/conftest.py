"""Keys are made once: they are only read."""

from __future__ import annotations

import pytest

from tests.nodes.security.credentials import Safe


@pytest.fixture(scope="session")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Safe:
    return Safe(tmp_path_factory.mktemp("safe"))
