"""The real command against a server that repeats the key and speaks to the terminal: in every place it is shown."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids, write_csv
from tests.acceptance.terminal import at_terminal
from tests.secrets import assert_nowhere
from tests.secrets.server import echoing, saying
from tests.secrets.showing import FORGED, HOSTILE, assert_harmless, texts_in

CONFIG = "[retry]\nfirst_backoff_seconds = 0.0\nmax_attempts = 2\n[flow]\nconcurrency = 1\nmax_outage_seconds = 0.3\n"
NAME = "ids \x1b]0;named\x07\x1b[2J\u202e.csv"


def said(key: str) -> str:
    return f"{HOSTILE} {key} "


ANSWERS = {
    "rejected": (lambda key: saying(40000, said(key)), 1),
    "unresolved": (lambda key: saying(50000, said(key)), 75),
    "fatal": (lambda key: saying(403131, said(key)), 3),
    "unauthorized": (lambda key: saying(40127, said(key)), 3),
    "pause": (lambda key: saying(40008, said(key), headers="Retry-After: 86400\r\n"), 75),
    "html": (lambda key: saying(None, said(key), "502 Bad Gateway"), 75),
    "page": (lambda key: saying(None, said(key), "404 Not Found"), 3),
}
LOOKS = (
    ("status", "purge.db"),
    ("status", "purge.db", "--json"),
    ("status", "purge.db", "--events"),
    ("failures", "purge.db"),
    ("verify", "purge.db"),
    ("verify", "purge.db", "--json"),
    ("failures", "purge.db", "--csv", "--all"),
)
LOGS = (
    ("--json", "--log-format", "json", "--log-level", "debug"),
    ("--log-format", "text", "--log-level", "debug"),
    ("--json", "--log-format", "json", "--log-level", "error"),
    ("--log-level", "info", "--quiet"),
)
RUNS = {"rejected": 4, "unresolved": 2}
"""What is stored of these is looked at in every way; of the others a look is enough."""


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_a_server_says_is_shown_as_text_and_its_echo_of_the_key_nowhere(tmp_path, name):
    answer, code = ANSWERS[name]
    write_csv(tmp_path / NAME, ids(3))
    (tmp_path / "purge.toml").write_text(CONFIG)
    everything = []
    async with echoing(answer) as base_url:
        for number, logs in enumerate(LOGS[: RUNS.get(name, 1)]):
            done = await purge(tmp_path, base_url, "--ledger", f"{number}.db", *logs).run()
            assert done.code == code, done.everything
            everything.append(done)
            if "--json" in logs and "json" in logs:
                lines = [json.loads(line) for line in done.stderr.splitlines()]
                assert all(line["level"] for line in lines)
                for text in texts_in([lines[1:], done.report]):  # the first line names the source as it is given
                    assert_harmless(text)
        (tmp_path / "0.db").rename(tmp_path / "purge.db")
        for words in LOOKS if name in RUNS else LOOKS[-1:]:
            looked = await Command(tmp_path, *words).run()
            assert looked.stdout, looked.stderr
            everything.append(looked)
            if "--csv" in words:
                rows = [*csv.reader(io.StringIO(looked.stdout))]
                assert len({len(row) for row in rows}) == 1
                for row in rows:
                    assert_harmless("|".join(row))
    for one in everything:
        assert_harmless(one.stdout)
        assert_harmless(one.stderr)
        assert not any(line.lstrip().startswith(FORGED) for line in one.everything.splitlines())
    assert_nowhere(CANARY_KEY, [tmp_path], [one.everything for one in everything])


@pytest.mark.parametrize("name", ["rejected", "fatal"])
async def test_at_a_terminal_only_the_live_line_moves_the_cursor(tmp_path, name):
    answer, code = ANSWERS[name]
    write_csv(tmp_path / "ids.csv", ids(3))
    (tmp_path / "purge.toml").write_text(CONFIG)
    async with echoing(answer) as base_url:
        words = ("--ledger", "purge.db", "--log-level", "debug")
        async with at_terminal(purge(tmp_path, base_url, *words, source="ids.csv")) as terminal:
            ended, printed = await terminal.ended()
            assert ended == code, terminal.shown
    assert_harmless(terminal.shown, at_terminal=True)
    assert_harmless(printed)
    assert_nowhere(CANARY_KEY, [tmp_path], [terminal.shown, printed])


def purge(folder, base_url: str, *words: object, source: str = NAME) -> Command:
    job = ("run", source, "-c", "purge.toml", "--table-id", TABLE_ID, "--base-url", base_url, "--yes")
    return Command(folder, *job, *words)
