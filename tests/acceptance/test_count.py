"""``run --count``: what the API counts before and after, in the report and no more than it proves."""

from __future__ import annotations

import pytest

from bulkdelete.emulator import Emulator, Switches
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids, write_csv


@pytest.mark.parametrize("page_answer", ["plain", "wrapped"])
async def test_the_report_shows_the_tables_records_before_and_after(tmp_path, page_answer):
    async with Emulator(switches=Switches(page_answer=page_answer)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(2_600))
        write_csv(tmp_path / "ids.csv", [*ids(2_500), *ids(10, first=700_000_000_000_000_000)])
        words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
        done = await Command(tmp_path, *words, "--yes", "--count").run()
        assert done.code == 0, done.stderr
        assert "table before    2,600 records" in done.stdout
        assert "table after     100 records: 2,500 fewer" in done.stdout
        assert "acknowledged  2,510" in done.stdout  # ten were not there, and the API does not say so
        assert emulator.requests == 5
