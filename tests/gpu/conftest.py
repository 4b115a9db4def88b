from __future__ import annotations

import pytest

from tests.gpu.drivers import Libraries


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Libraries:
    """Nothing is installed at first."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("ACTORPAR_DEVICE", raising=False)
    monkeypatch.setattr("actorpar.gpu.finding._told", set())
    return Libraries(monkeypatch)
