from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import settings

from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

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
