"""Systems under observation: on the run queue and on plain asyncio tasks, in virtual time where there is no socket."""

from __future__ import annotations

from tests.channels.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories
from tests.processes.conftest import engine as engine
