"""The digest of a ledger: the same for the same content wherever and however it lies, another for any other."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import UnrecordedLedger, open_ledger, read_ledger, schema
from bulkdelete.ledger.sealing import COLUMNS, content_digest
from bulkdelete.records import Ended, Fate
from tests.properties import often
from tests.unit.sound_ledger import damage, make
from tests.unit.test_ledger import IDENTITY, batch_of, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOWN = f"""
{schema.TABLES}
PRAGMA application_id = {schema.APPLICATION_ID};
PRAGMA user_version = 2;
INSERT INTO job VALUES ('identity.table_id', 'a table of \u00fc, \u0130, \U0001f600 and \u0378'), ('bytes', x'00ff27');
INSERT INTO run VALUES (1, 1790000000000, 1790000000001, 'complete', '', 7, 'h', 'u', '1', '3.11', '3.40', 5, 0);
INSERT INTO batch VALUES (0, 2, 1, 1, 0, 0, zeroblob(16), 3, -1, 1, 0, -9223372036854775808, NULL, 1.5, 'it''s');
INSERT INTO row VALUES (1, 'invalid', 'a "reason"', char(10, 0, 127, 133), NULL, '', NULL, NULL, NULL);
INSERT INTO event VALUES (1, 5, 1, 'settings', '{{}}');
"""
KNOWN_DIGEST = "sha256:743fa32b6f5fbd1ad41835a36794366a3d4cb3b5ccb2917a07069a99d37b2426"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "TEXT": TEXTS,
    "BLOB": st.binary(max_size=17),
    "ANY": st.one_of(st.integers(-9, 9), TEXTS, st.binary(max_size=3), st.floats(allow_nan=False), st.none()),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    asyncio.run(make(folder))
    return folder / "a.db"


def cells(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield each cell's table, key, column and type."""
    with closing(sqlite3.connect(path)) as connection:
        for table, columns in COLUMNS.items():
            key = columns.split(", ")[0]
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                for (at,) in connection.execute(f"SELECT quote({key}) FROM {table}").fetchall():
                    yield table, f"{key} = {at}", column, kind


def digest_of(path: Path) -> str:
    with read_ledger(path) as reader:
        return reader.content_digest()


def test_a_known_content_has_its_known_digest_with_every_python_and_sqlite():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(KNOWN)
        assert content_digest(connection) == KNOWN_DIGEST


def test_the_digest_covers_every_column_of_every_table_in_the_order_of_its_key():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema.TABLES)
        for table, columns in COLUMNS.items():
            info = connection.execute(f"PRAGMA table_info({table})").fetchall()
            assert columns.split(", ") == [column for _, column, *_ in info]
            assert [column for _, column, *_, key in info if key] == [columns.split(", ")[0]]
        assert set(re.findall(r"CREATE TABLE (\w+)", schema.TABLES)) == set(COLUMNS)


@settings(max_examples=often(300))
@given(data=st.data())
def test_any_single_changed_cell_changes_the_digest(sound, data):
    table, where, column, kind = data.draw(st.sampled_from([*cells(sound)]))
    value = data.draw(VALUES[kind])
    with closing(sqlite3.connect(sound)) as stored, closing(sqlite3.connect(":memory:")) as changed:
        stored.backup(changed)
        before = changed.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0]
        assume((type(before), before) != (type(value), value))
        assert content_digest(changed) == digest_of(sound)
        try:
            changed.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
        except sqlite3.IntegrityError:
            reject()  # no ledger can hold that: a missing value, a key twice
        assert content_digest(changed) != digest_of(sound)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_missing_row_and_one_more_change_the_digest(sound, table):
    with closing(sqlite3.connect(sound)) as stored, closing(sqlite3.connect(":memory:")) as changed:
        stored.backup(changed)
        key = COLUMNS[table].split(", ")[0]
        changed.execute(
            f"CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})"
        )
        changed.execute(f"DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})")
        assert content_digest(changed) != digest_of(sound)
        changed.execute(f"INSERT INTO {table} SELECT * FROM kept")
        assert content_digest(changed) == digest_of(sound)


@pytest.mark.parametrize("pragma", ["application_id", "user_version"])
def test_what_the_file_says_it_is_belongs_to_its_content(sound, pragma):
    with closing(sqlite3.connect(sound)) as stored, closing(sqlite3.connect(":memory:")) as changed:
        stored.backup(changed)
        changed.execute(f"PRAGMA {pragma} = 99")
        assert content_digest(changed) != digest_of(sound)


def test_how_the_file_is_laid_out_does_not_matter(tmp_path, sound):
    (tmp_path / "a.db").write_bytes(sound.read_bytes())
    damage(tmp_path / "a.db", "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; ANALYZE")
    assert (tmp_path / "a.db").read_bytes() != sound.read_bytes()
    assert digest_of(tmp_path / "a.db") == digest_of(sound)


def test_text_that_is_damaged_has_a_digest_of_its_own(tmp_path, sound):
    seen = set()
    for raw in ("ff", "fe", "edbfbf"):
        (tmp_path / "a.db").write_bytes(sound.read_bytes())
        damage(tmp_path / "a.db", f"UPDATE run SET host = CAST(x'{raw}' AS TEXT)")
        seen.add(digest_of(tmp_path / "a.db"))
    assert len(seen) == 3


async def test_closing_returns_the_digest_of_what_a_reader_finds(tmp_path):
    at_the_end = await make(tmp_path)
    assert re.fullmatch("sha256:[0-9a-f]{64}", at_the_end)
    assert at_the_end == await asyncio.to_thread(digest_of, tmp_path / "a.db")
    ledger = await open_ledger(tmp_path / "b.db", IDENTITY)
    batch = batch_of(0, "rr")
    ledger.intend(batch)
    ledger.record(outcome(batch, Fate.ACKNOWLEDGED))
    digests = await asyncio.gather(ledger.close(Ended.COMPLETE), ledger.close(Ended.FAULT))
    assert set(digests) == {await asyncio.to_thread(digest_of, tmp_path / "b.db")}


@pytest.mark.parametrize("ended", [None, Ended.CANCELLED])
async def test_where_nobody_waits_for_a_report_no_digest_is_made(tmp_path, ended):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    assert await ledger.close(ended) == ""
    assert await UnrecordedLedger().close(Ended.COMPLETE) == ""


async def test_a_ledger_that_could_not_be_written_closes_without_a_digest(tmp_path):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    with pytest.raises(LedgerError):
        await ledger.intend(batch_of(9, "r"))
    assert await ledger.close(Ended.STORAGE) == ""
