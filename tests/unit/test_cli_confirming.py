"""Before the first delete: what is shown, what is asked, and what counts as a yes."""

from __future__ import annotations

import io
import os
import pty
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkdelete.cli.confirming import Earlier, Foreseen, confirm, default_ledger, earlier_runs, ledger_of, summary
from bulkdelete.errors import SettingsError
from bulkdelete.ledger import Totals
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable, open_source

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"table_id": TABLE_ID, "base_url": "http://127.0.0.1:8080"})


def shown_summary(settings, source, first, ledger, earlier) -> str:
    told = summary(settings, source, ledger, earlier, Foreseen(first))
    return "\n".join(f"{name} {text}" for name, text in told.items())


@pytest.fixture
def source(tmp_path):
    (tmp_path / "ids.txt").write_text("541278230707963208\n" * 3)
    return open_source(tmp_path / "ids.txt", SETTINGS.source)


class Asked(io.TextIOBase):
    """Passes on what is said, and types *keys* at the terminal once a question was asked."""

    def __init__(self, said, terminal: int, keys: bytes) -> None:
        self._said, self._terminal, self._keys = said, terminal, keys

    def write(self, text: str) -> int:
        keys, self._keys = self._keys, b""
        os.write(self._terminal, keys)
        return self._said.write(text)


@contextmanager
def typing(monkeypatch, keys: bytes):
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stderr", Asked(sys.stderr, master, keys))
        yield
    os.close(master)


def test_the_table_id_typed_is_a_yes(monkeypatch, source, capsys):
    with typing(monkeypatch, TABLE_ID.encode() + b"\n"):
        confirm(SETTINGS, source, yes=False)
    written = capsys.readouterr()
    assert "Type the table id" in written.err
    assert "Type the table id" not in written.out


@pytest.mark.parametrize("keys", [b"y\n", b"yes\n", b"\n", b"\x04", TABLE_ID[:-1].encode() + b"\n"])
def test_anything_else_is_refused(monkeypatch, source, keys):
    with typing(monkeypatch, keys), pytest.raises(SettingsError, match=r"not confirmed.*Nothing was sent"):
        confirm(SETTINGS, source, yes=False)


def test_without_a_terminal_it_needs_yes(monkeypatch, source):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(SettingsError, match="--yes"):
            confirm(SETTINGS, source, yes=False)


def test_a_source_that_cannot_be_read_twice_needs_yes_even_on_a_terminal(monkeypatch):
    with typing(monkeypatch, TABLE_ID.encode() + b"\n"), pytest.raises(SettingsError, match="--yes"):
        confirm(SETTINGS, from_iterable(["541278230707963208"]), yes=False)


def test_yes_asks_nothing(source):
    confirm(SETTINGS, source, yes=True)


def test_the_summary_shows_what_is_about_to_happen(source):
    first = ["541278230707963208", Filter("email", "a@b.c"), Defect("holds a space", "x", b"")]
    shown = shown_summary(SETTINGS, source, first, Path("purge.db"), None)
    for part in (
        TABLE_ID,
        "http://127.0.0.1:8080",
        "ids.txt",
        "57 bytes",
        "text",
        "purge.db (new)",
        "541278230707963208, email = a@b.c, (invalid: holds a space)",
    ):
        assert part in shown


def test_an_id_cannot_move_the_cursor_of_who_looks_at_it(source):
    assert "\x1b" not in shown_summary(SETTINGS, source, ["\x1b[2Jid"], Path("purge.db"), None)


def test_a_resume_says_what_was_done_already(source):
    totals = Totals(rows=1_000_000, acknowledged=899_990, rejected=10, pending=100_000)
    shown = shown_summary(SETTINGS, source, [], Path("purge.db"), Earlier(totals, None))
    assert "900,000 rows settled, of them 899,990 acknowledged; remaining: 100,000 rows, and what was not read" in shown


def test_a_complete_ledger_says_that_everything_is_done(source):
    earlier = Earlier(Totals(rows=5, acknowledged=4, rejected=1), 5)
    assert earlier.complete
    assert "everything is done already" in shown_summary(SETTINGS, source, [], Path("purge.db"), earlier)


def test_rows_of_a_pipe_are_not_known_before():
    assert "not known before it is read" in shown_summary(SETTINGS, from_iterable(["1"]), None, Path("purge.db"), None)


def test_what_is_not_there_or_no_ledger_has_no_earlier_runs(tmp_path):
    (tmp_path / "empty.db").touch()
    assert earlier_runs(tmp_path / "missing.db") is None
    assert earlier_runs(tmp_path / "empty.db") is None


def test_a_pattern_that_is_too_long_for_a_name_has_a_ledger_too():
    pattern = f"[{'a' * 300}]*.csv"
    settings = Settings.from_mapping({"table_id": TABLE_ID, "source": {"path": pattern}})
    assert ledger_of(settings) == default_ledger(pattern, TABLE_ID)


def test_the_default_ledger_is_named_by_source_and_table():
    assert default_ledger("/data/ids.csv", TABLE_ID) == Path(f"ids.csv.{TABLE_ID}.bulkdelete.db")
    assert default_ledger("-", "a/../b") == Path("stdin.a_.._b.bulkdelete.db")
