from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAMPAIGNS = frozenset({"crashes", "fuzzing", "mutants", "old_ledgers", "powercuts", "secrets", "wire"})
MEASURED = frozenset(f"test_{name}.py" for name in ("canary", "demo", "interrupting", "run", "story"))
"""Of the acceptance tests, those whose commands coverage follows."""
settings.register_profile("bulkdelete", deadline=None, print_blob=True)
settings.load_profile("bulkdelete")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: on an event loop whose time jumps; see tests/virtual_time.py")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _some_commands_are_not_measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run what other tests have measured, many times: coverage does not follow them into their processes."""
    folder = request.path.parent.name
    if folder in CAMPAIGNS or (folder == "acceptance" and request.path.name not in MEASURED):
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)
