from __future__ import annotations

import pytest

from bulkdelete import BulkDeleter, open_source
from bulkdelete.settings import SourceSettings

TABLE_ID = "673af861ed69656ac0895b07"


@pytest.fixture
async def purge(emulator, tmp_path):
    """Return what sends the records of a file, and returns those, and why each of the others was not sent."""

    async def run(name, text, **settings):
        (tmp_path / name).write_text(text)
        source = open_source(tmp_path / name, SourceSettings(**{"sanity_check": False, **settings}))
        async with (
            BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter,
            deleter.stream(TABLE_ID, source) as outcomes,
        ):
            why = [outcome.row_fate.reason async for outcome in outcomes if outcome.row_fate]
        sent = [entry.get("record_id", entry.get("filter")) for request in emulator.log for entry in request.entries]
        return sent, why

    return run
