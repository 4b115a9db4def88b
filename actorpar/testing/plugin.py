"""The pytest plugin, found by its entry point: fixtures and markers for whoever tests channels and actors.

A suite that does not use it pays for the import of this file, which imports nothing of the library; the fixtures are in
fixtures.py, which is loaded where pytest-asyncio (1.4 or later, in its auto mode or its strict one) runs the tests.
`-p no:actorpar` leaves it out.
"""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Say what the markers mean, and bring the fixtures where they can work."""
    config.addinivalue_line("markers", "virtual_time: runs on a VirtualClock, where waiting takes no time")
    config.addinivalue_line("markers", "may_leak: leaves something behind on purpose, which the leak check lets pass")
    if hasattr(config.hook, "pytest_asyncio_loop_factories"):
        from . import fixtures

        config.pluginmanager.register(fixtures, "actorpar-fixtures")
    else:
        config.pluginmanager.register(_WithoutLoops(), "actorpar-without-loops")


class _WithoutLoops:
    """Where no pytest-asyncio can give a test its event loop: a marker that did nothing would deceive."""

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.get_closest_marker("virtual_time") is not None:
                raise pytest.UsageError(
                    f"{item.nodeid} is marked virtual_time, which needs pytest-asyncio 1.4 or later: install it, or "
                    "run the test's coroutine with actorpar.testing.run_virtual"
                )
