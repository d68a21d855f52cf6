"""Where a ledger's files lie: what is mounted."""

from __future__ import annotations

import pytest

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger import open_ledger, place
from bulkdelete.records import Ended
from tests.unit.test_ledger import IDENTITY

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
