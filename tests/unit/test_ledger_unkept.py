"""A ledger of version 1 keeps nothing of what was spent but its runs: what they sent counts all the same."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from bulkdelete.ledger import opening, schema
from bulkdelete.ledger.facts import SPENT
from bulkdelete.quotas import Moment, Quotas

HOUR = 3600.0
COLUMNS = "started_ms, ended_ms, ended, pid, host, user, version, python, sqlite, requests, retries"


def left_of(limits: dict[str, int], *runs: tuple[float, float | None, int | None]) -> int:
    """Return how many requests may leave now, after *runs*: how long ago they began and ended, and their requests."""
    now = time.time()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema.TABLES)
        connection.execute("DROP TABLE event")
        connection.execute("PRAGMA user_version=1")
        for began, ended, requests in runs:
            times = (int((now - began) * 1000), None if ended is None else int((now - ended) * 1000))
            values = (*times, None if ended is None else "limit", 1, "", "", "", "", "", requests, None)
            connection.execute(f"INSERT INTO run ({COLUMNS}) VALUES ({', '.join('?' * 11)})", values)
        opening.upgrade(connection)
        ((spent,),) = connection.execute("SELECT value FROM job WHERE key = ?", (SPENT,)).fetchall()
    quotas, moment, left = Quotas(limits, None), Moment(now, 5.0), 0
    quotas.take_in(json.loads(spent), moment)
    while not quotas.wait_seconds(moment):
        quotas.left(quotas.spend(moment), moment)
        left += 1
    return left


@pytest.mark.parametrize(
    ("runs", "left"),
    [
        ([], 100),
        ([(9 * HOUR, 8 * HOUR, 30)], 70),
        ([(9 * HOUR, 8 * HOUR, 30), (7 * HOUR, 6 * HOUR, 0), (5 * HOUR, 4 * HOUR, 20)], 50),
        ([(90 * HOUR, 80 * HOUR, 30)], 100),
        ([(9 * HOUR, None, None)], 0),
        ([(90 * HOUR, None, None)], 0),
        ([(90 * HOUR, None, None), (9 * HOUR, 8 * HOUR, 30)], 0),
        ([(90 * HOUR, None, None), (60 * HOUR, 50 * HOUR, 5), (9 * HOUR, 8 * HOUR, 30)], 70),
    ],
)
def test_what_runs_sent_counts_from_their_end_and_one_that_was_killed_may_have_sent_anything(runs, left):
    assert left_of({"day": 100}, *runs) == left


def test_of_what_counts_for_a_day_only_the_last_hour_counts_for_an_hour():
    assert left_of({"hour": 100}, (9 * HOUR, 8 * HOUR, 30), (HOUR, HOUR / 2, 20)) == 80


def test_very_many_runs_are_counted_all_the_same():
    runs = [(20 * HOUR - number, 20 * HOUR - number, 1) for number in range(5000)]
    assert left_of({"day": 6000}, *runs) == 1000
