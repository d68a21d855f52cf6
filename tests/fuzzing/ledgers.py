"""A ledger whose bytes or values somebody changed, and a report: every command reads it, refuses it or finds fault."""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from click.testing import CliRunner

from bulkdelete.cli.commands import group
from bulkdelete.errors import LedgerError
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.records import Ended
from tests.acceptance.command import CANARY_KEY
from tests.fuzzing.keys import check_told
from tests.secrets import assert_nowhere
from tests.unit import sound_ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

_CODES: Final = {
    "status": {0, 2},
    "failures": {0, 1, 2, 3},
    "verify": {0, 2, 3, 75},
}
_COMMANDS: Final = (
    *(("status",), ("status", "--json"), ("status", "--events"), ("failures",), ("failures", "--csv", "--all")),
    *(("verify",), ("verify", "--source", "ids.csv", "--json")),
)
WORDS: Final = (b"SQLite format 3\0", b"\x10\0", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x0d", b"\x05", b"CREATE TABLE ")
SQL: Final = (
    *(b"UPDATE job SET value = ", b"UPDATE batch SET ", b"UPDATE part SET ", b"UPDATE run SET ", b"UPDATE row SET "),
    *(
        b"UPDATE event SET ",
        b"DELETE FROM ",
        b"DROP TABLE ",
        b"batch",
        b"part",
        b"run",
        b"row",
        b"event",
        b"job",
        b";\n",
    ),
    *(b"first_row = ", b"end_row = ", b"records = ", b"digest = ", b"state = ", b"code = ", b"message = ", b"fate = "),
    *(b"record = ", b"filter_column = ", b"file = ", b"line = ", b"reason = ", b"detail = ", b"kind = ", b"ended = "),
    *(b"started_ms = ", b"ended_ms = ", b"requests = ", b"request_id = ", b"key = ", b"value = ", b"host = "),
    *(b"-1", b"0", b"3", b"9223372036854775807", b"-9223372036854775808", b"1e308", b"'x'", b"''", b"'[]'", b"'{}'"),
    *(b"x'ff00'", b"x'00'", b"'\xc3\xa9\x1b[2J'", b"'acknowledged'", b"randomblob(9)", b"zeroblob(1000)", b"'9e999'"),
    *(b" WHERE key = 'source_rows'", b" WHERE key = 'resume_at_unix_seconds'", b" WHERE key = 'source_path'"),
    *(b" WHERE key LIKE 'identity.%'", b" WHERE first_row = 4", b" WHERE id = 1", b", "),
    *(b"INSERT OR REPLACE INTO job VALUES ('resume_at_unix_seconds', ", b"INSERT OR REPLACE INTO job VALUES (", b")"),
)


@cache
def _sound() -> tuple[bytes, bytes]:
    """Return the bytes of a sound ledger with a batch in every state, and of its source."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(sound_ledger.make(Path(folder)))
        sound_ledger.damage(Path(folder, "a.db"), "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE")
        return Path(folder, "a.db").read_bytes(), Path(folder, "ids.csv").read_bytes()


def sound() -> Sequence[bytes]:
    return [_sound()[0]]


def ledger(data: bytes, folder: Path) -> None:
    _lay(folder, data)
    _try_all(folder)


def rewritten(data: bytes, folder: Path) -> None:
    """Change the values of a sound ledger by the SQL in *data*, as far as SQLite takes it."""
    _lay(folder, _sound()[0])
    with closing(sqlite3.connect(folder / "a.db", isolation_level=None)) as connection:
        for statement in data.decode("utf-8", "replace").replace("\0", " ").split(";"):
            try:
                connection.execute(statement)
            except (sqlite3.Error, sqlite3.Warning, UnicodeError):
                continue
    _try_all(folder)


def report(data: bytes, folder: Path) -> None:
    _lay(folder, _sound()[0])
    (folder / "report.json").write_bytes(data)
    _check(folder, ("verify", "--report", str(folder / "report.json")))


def statements() -> Sequence[bytes]:
    return [
        b"UPDATE job SET value = 'x' WHERE key = 'identity.table_id'",
        b"UPDATE run SET started_ms = -1, host = '\x1b[2J'",
        b"UPDATE batch SET state = 3, message = x'ff'; DELETE FROM part",
    ]


def reports() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        path.write_bytes(_sound()[0])
        with read_ledger(path) as reader:
            says = {
                "ledger_digest": reader.content_digest(),
                "ledger_run": 2,
                "rows": 23,
                "exit_code": 130,
                "canary": {},
            }
    return [json.dumps(says).encode()]


def _lay(folder: Path, data: bytes) -> None:
    for ending in ("", "-wal", "-shm", "-journal", ".lock"):
        (folder / f"a.db{ending}").unlink(missing_ok=True)
    (folder / "a.db").write_bytes(data)
    (folder / "ids.csv").write_bytes(_sound()[1])


def _try_all(folder: Path) -> None:
    for words in _COMMANDS:
        _check(folder, words)
    gc.collect()  # a command's process has ended by now, and with it what a traceback keeps of a connection
    asyncio.run(_open(folder / "a.db"))


def _check(folder: Path, words: Sequence[str]) -> None:
    """Run a command; hold that it ends with a code that it may end with, and says no key and nothing that is obeyed."""
    word, *more = (str(folder / one) if one == "ids.csv" else one for one in words)
    done = CliRunner().invoke(group, [word, str(folder / "a.db"), *more])
    assert done.exit_code in _CODES[word], f"{words} ended with {done.exit_code}: {done.output}"
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    assert "fault of bulkdelete" not in done.output, f"{words}: {done.output}"
    assert "\x1b" not in done.output, f"{words}: {done.output!r}"
    assert_nowhere(CANARY_KEY, texts=[done.output])


async def _open(path: Path) -> None:
    """Open the ledger as a resume does, read what it would go by, and close it."""
    identity = _identity(path)
    try:
        opened = await open_ledger(path, identity)
    except LedgerError as error:
        check_told(error)
        return
    try:
        end_row = 0
        async for stored in opened.ranges():
            if stored.first_row != end_row or stored.end_row <= end_row:  # where a resume refuses to go on
                break
            end_row = stored.end_row
        await opened.count()
    except LedgerError as error:
        check_told(error)
    finally:
        await opened.close(Ended.SIGNAL)
    assert_nowhere(CANARY_KEY, [path.parent])


def _identity(path: Path) -> dict[str, str]:
    try:
        with read_ledger(path) as reader:
            facts = reader.facts
    except LedgerError as error:
        check_told(error)
        return {}
    return {key.removeprefix("identity."): value for key, value in facts.items() if key.startswith("identity.")}
