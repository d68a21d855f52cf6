"""Where a ledger's files lie: what is asked before a commit and at the end, and what is mounted."""

from __future__ import annotations

import sqlite3
from functools import partial

import pytest

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger import open_ledger, place
from bulkdelete.records import Ended
from bulkdelete.sources import open_source
from tests.api_model import OK
from tests.unit.test_engine import job
from tests.unit.test_job_waiting import Answers
from tests.unit.test_ledger import IDENTITY, batch_of

IDS = [f"{number + 10**17}" for number in range(20)]


async def test_no_intent_is_on_disk_once_the_ledger_is_gone_and_there_is_no_digest(tmp_path):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    await ledger.intend(batch_of(0, "r"))
    assert ledger.lost is None
    (tmp_path / "a.db").unlink()
    assert await ledger.close(Ended.COMPLETE) == ""
    assert "a.db: the ledger was removed or replaced" in str(ledger.lost)


@pytest.mark.parametrize("stops", [False, True])
async def test_a_ledger_that_goes_in_the_last_moment_makes_a_job_no_complete_one(tmp_path, monkeypatch, stops):
    class Robbed(sqlite3.Connection):
        def execute(self, sql, *values):
            if sql.startswith("PRAGMA wal_checkpoint"):
                (tmp_path / "purge.db").unlink()
            return super().execute(sql, *values)

    monkeypatch.setattr("sqlite3.connect", partial(sqlite3.connect, factory=Robbed))
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    running = job(Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db")
    if stops:
        running.stop("SIGTERM received")
        report = await running.run()
        assert report.ended is Ended.SIGNAL
        assert report.reason.startswith("SIGTERM received; ")
    else:
        with pytest.raises(LedgerStorageError, match="removed or replaced while the job ran") as raised:
            await running.run()
        report = raised.value.report
        assert (report.ended, report.acknowledged) == (Ended.STORAGE, 20)
    assert report.reason.count("the ledger was removed or replaced while the job ran") == 1
    assert report.ledger_digest == ""
    assert running.report is report


MOUNTS = r"""21 1 254:0 / / rw,relatime - ext4 /dev/root rw
36 21 254:0 /srv/a.db {folder}/with\040space,\134,\012/a.db rw,relatime - ext4 /dev/root rw

"""


@pytest.mark.parametrize("name", ["with space,\\,\n", "other"])
async def test_a_file_that_is_mounted_by_itself_is_no_ledger_to_write_to(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    (tmp_path / "mounts").write_text(MOUNTS.format(folder=tmp_path))
    await (await open_ledger(tmp_path / name / "a.db", IDENTITY)).close(Ended.COMPLETE)
    (tmp_path / "link.db").symlink_to(tmp_path / name / "a.db")
    monkeypatch.setattr(place, "_MOUNTS", tmp_path / "mounts")
    for path in (tmp_path / name / "a.db", tmp_path / "link.db"):
        if name == "other":
            await (await open_ledger(path, IDENTITY)).close(Ended.COMPLETE)
        else:
            with pytest.raises(LedgerStorageError, match="mounted here by itself"):
                await open_ledger(path, IDENTITY)


async def test_where_nobody_says_what_is_mounted_a_ledger_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_MOUNTS", tmp_path / "none")
    await (await open_ledger(tmp_path / "a.db", IDENTITY)).close(Ended.COMPLETE)
