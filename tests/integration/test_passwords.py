"""What a caller's records raise may hold the password of a database: it is not kept, and not told."""

from __future__ import annotations

from typing import ClassVar

import pytest

from bulkdelete import BulkDeleter, LedgerFolder, SourceError
from bulkdelete.emulator import Emulator
from bulkdelete.records import Rows

TABLE_ID = "673af861ed69656ac0895b07"


def ids(count: int, first: int = 541_278_230_707_963_208) -> list[str]:
    return [str(first + 37 * number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(1))
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        yield deleter


class _Cursor:
    """A source of one's own whose database goes away; with a ledger or without, its rows are read again."""

    name, paths, files, replayable, size_bytes = "a cursor", (), (), True, None
    position_bytes = rows_read = 0
    identity: ClassVar = {"kind": "cursor"}

    @property
    def parts(self):
        return (self,)

    async def blocks(self):
        for first in range(0, 15_000, 500):
            yield Rows(first, ids(500, 10**17 + 37 * first))
        raise LOST

    async def fingerprint(self):
        return ""


LOST = ConnectionError("postgres://u:hunter2@h/db is gone (host=h password='hunter2'; PWD=hunter2;UID=u)")


def _lost_function():
    yield from ids(15_000)
    raise LOST


async def _lost_stream():
    for one in ids(3_000):
        yield one
    raise LOST


@pytest.mark.parametrize("records", [_Cursor, lambda: _lost_function, lambda: _lost_stream])
@pytest.mark.parametrize("with_ledger", [True, False])
async def test_a_password_in_what_a_source_raises_is_in_no_reason_and_no_ledger(
    deleter, tmp_path, records, with_ledger
):
    folder = LedgerFolder(tmp_path)
    with pytest.raises((SourceError, ConnectionError)) as raised:
        await deleter.delete(TABLE_ID, records(), ledger=folder.path_for("lost") if with_ledger else None)
    said = str(raised.value) if isinstance(raised.value, SourceError) else ""
    told = await folder.ledgers() if with_ledger else []
    report = getattr(raised.value, "report", None)
    assert "hunter2" not in f"{said}{report}{told}"
    for path in tmp_path.iterdir():
        assert b"hunter2" not in path.read_bytes()
    if said:
        assert "ConnectionError: postgres://u:***@h/db is gone (host=h password=***; PWD=***;UID=u)" in said
