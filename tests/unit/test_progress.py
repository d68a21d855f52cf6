"""What a person sees of a running job: only what is known, and why it waits."""

from __future__ import annotations

import asyncio
import io
import time
from contextlib import aclosing
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from bulkdelete.accounting import Snapshot
from bulkdelete.cli.bar import Bar
from bulkdelete.events import JobBegan, LimitChanged, OutageBegan, OutageEnded, PauseBegan
from bulkdelete.progress import Expected, Lines, Pace, Silent, following, phrases, why_it_waits
from bulkdelete.settings import ReadingSettings
from bulkdelete.sources import open_source

NOW = Snapshot(
    rows=0,
    settled=0,
    settled_before=0,
    acknowledged=0,
    failed=0,
    requests=0,
    retries=0,
    in_flight=0,
    limit=8,
    limited_by="server",
    pause_seconds=0.0,
    elapsed_seconds=0.0,
)
BUSY = replace(NOW, rows=6_000, settled=5_000, requests=5, in_flight=4)


@dataclass
class File:
    size_bytes: int | None = 100_000_000
    position_bytes: int = 10_000_000
    rows_read: int = 2_000


class Scripted:
    """A job that shows the snapshots it is given, and then ends whoever looks."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self._snapshots = list(snapshots)
        self._cancelled = False

    def quota_seconds(self, rows: int) -> float:
        return 0.0

    def subscribe(self, callback):
        self.tell = callback
        return lambda: None

    def snapshot(self) -> Snapshot:
        if len(self._snapshots) > 1:
            return self._snapshots.pop(0)
        if not self._cancelled:
            self._cancelled = True
            asyncio.current_task().cancel()
        return self._snapshots[0]


def pace(*snapshots: Snapshot) -> Pace:
    pace = Pace()
    for snapshot in snapshots:
        pace.take(snapshot)
    return pace


def test_the_rows_to_come_are_estimated_from_how_far_the_file_is_read():
    assert Expected(File()).rows(100) == 20_000
    assert Expected(File(position_bytes=100_000_000)).rows(100) == 2_000


@pytest.mark.parametrize("source", [None, File(size_bytes=None), File(position_bytes=0)])
def test_without_a_size_or_a_position_nobody_knows(source):
    assert Expected(source).rows(2_000) is None
    assert Expected(source, estimated_rows=9_000).rows(2_000) == 9_000
    assert Expected(source, estimated_rows=1_000).rows(2_000) == 2_000


def test_the_estimate_made_before_counts_until_more_than_that_saw_is_read():
    assert Expected(File(position_bytes=1_000_000), estimated_rows=30_000).rows(100) == 30_000
    assert Expected(File(), estimated_rows=30_000).rows(100) == 20_000


def test_a_resume_estimates_never_less_than_was_read_before():
    assert Expected(File()).rows(50_000) == 50_000


def test_a_source_that_was_read_to_its_end_before_has_a_known_number_of_rows():
    assert Expected(File(), total_rows=70).rows(50) == 70


async def test_rows_that_are_read_ahead_of_the_sending_count_as_read(tmp_path):
    (tmp_path / "ids.txt").write_text("541278230707963208\n" * 300_000)
    source = open_source(tmp_path / "ids.txt", ReadingSettings())
    async with aclosing(source.blocks()) as blocks:
        await anext(blocks)
        assert Expected(source).rows(100) == pytest.approx(300_000, rel=0.001)


def test_the_rate_is_that_of_the_last_seconds_and_leaves_out_earlier_runs():
    slow = [replace(NOW, elapsed_seconds=float(second), settled=second) for second in range(100)]
    fast = [replace(NOW, elapsed_seconds=100.0 + second, settled=100 + 1_000 * second) for second in range(10)]
    assert pace(*slow, *fast).rows_per_second == pytest.approx(1_000)
    resumed = replace(NOW, elapsed_seconds=1.0, settled=900_000, settled_before=900_000)
    assert pace(NOW, resumed).rows_per_second == 0


def test_the_line_says_rows_rate_flight_retries_and_eta():
    said = phrases(BUSY, pace(NOW, replace(BUSY, elapsed_seconds=2.0)), 10_000)
    assert said == [
        "5,000 of about 10,000 rows settled",
        "2,500 records/s",
        "4 in flight",
        "0 retries",
        "ETA 0:00:02",
        "limited by the server, 8 at once",
    ]


def test_without_an_expectation_there_is_no_eta():
    assert not any("ETA" in phrase for phrase in phrases(BUSY, pace(NOW, replace(BUSY, elapsed_seconds=2.0)), None))


def test_it_says_why_it_waits():
    assert why_it_waits(replace(NOW, settled_before=5), pace()) == "comparing the source with the ledger"
    assert why_it_waits(NOW, pace()) == "starting"
    assert why_it_waits(BUSY, pace(BUSY)) == "limited by the server, 8 at once"
    for limited_by in ("retries", "source", "ledger"):
        assert why_it_waits(replace(BUSY, limited_by=limited_by), pace()) == f"limited by {_named(limited_by)}"
    outage = why_it_waits(replace(BUSY, limited_by="outage"), pace())
    assert outage == "outage: nothing but failures comes back, single batches are tried"
    down = replace(BUSY, limited_by="outage", last_failure="no connection to {here}")
    assert why_it_waits(down, pace()) == f"{outage}; the last failure: no connection to {{here}}"
    assert why_it_waits(replace(BUSY, limited_by="", retries=1), pace(BUSY, replace(BUSY, retries=1))) == "retrying"
    failing = replace(BUSY, limited_by="", retries=1, last_failure="HTTP 502")
    assert why_it_waits(failing, pace(BUSY, failing)) == "retrying; the last failure: HTTP 502"
    assert why_it_waits(replace(BUSY, last_failure="HTTP 502"), pace()) == "limited by the server, 8 at once"


def _named(limited_by: str) -> str:
    return limited_by if limited_by == "retries" else f"the {limited_by}"


@pytest.mark.parametrize("limited_by", ["quota", "pause", "resume"])
def test_it_says_until_when_it_waits_with_the_day_where_it_is_another(monkeypatch, limited_by):
    at_noon = time.mktime((2026, 12, 1, 12, 0, 0, 0, 0, -1))
    monkeypatch.setattr(time, "time", lambda: at_noon)
    for hours, until in ((1, "13:00:00"), (12, "2026-12-02 00:00:00"), (80, "2026-12-04 20:00:00")):
        said = why_it_waits(replace(BUSY, limited_by=limited_by, pause_seconds=3600.0 * hours), pace())
        assert f" until {until}" in said


def test_the_eta_counts_the_pauses_of_the_quotas():
    said = phrases(BUSY, pace(NOW, replace(BUSY, elapsed_seconds=2.0)), 10_000, quota_seconds=7200.0)
    assert "ETA 2:00:00" in said
    paused = replace(BUSY, pause_seconds=600.0, limited_by="quota")
    assert "ETA 2:00:00" in phrases(paused, pace(paused), 10_000, quota_seconds=7200.0)


async def test_lines_are_plain_and_on_stderr(capsys):
    with pytest.raises(asyncio.CancelledError):
        await Lines(every_seconds=0).follow(Scripted(NOW, BUSY, BUSY), Expected())
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("5,000 rows settled, ")
    assert "\x1b" not in written.err


class Waiting(Scripted):
    """A job that paused since a line was written, and of which nothing else is to be seen."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.looks = asyncio.Queue()

    def snapshot(self) -> Snapshot:
        self.looks.put_nowait(None)
        return replace(BUSY, limited_by="pause", pause_seconds=60.0)


async def test_a_line_is_written_at_once_when_an_outage_or_a_long_pause_begins_and_for_no_other_event(capsys):
    job = Waiting()
    task = asyncio.create_task(Lines(every_seconds=3600.0).follow(job, Expected()))
    await job.looks.get()
    await asyncio.sleep(0)
    for news in (PauseBegan("api", 60.0), PauseBegan("quota", 10.0), OutageBegan("HTTP 502"), OutageEnded()):
        for nothing_new in (
            PauseBegan("api", 2.0),
            PauseBegan("api", 60.0, 30.0),
            LimitChanged(2, 1),
            JobBegan("", "", ""),
        ):
            job.tell(nothing_new)
            await asyncio.sleep(0)
        assert job.looks.empty()
        job.tell(news)
        await job.looks.get()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 4
    assert all("the API asks for it" in line for line in written)


async def test_the_bar_draws_on_a_terminal_and_ends_when_it_is_cancelled():
    terminal = io.StringIO()
    bar = Bar(Console(file=terminal, force_terminal=True, width=160))
    with pytest.raises(asyncio.CancelledError):
        await bar.follow(Scripted(NOW, BUSY), Expected(File()))
    assert "5,000 of about 20,000 rows settled" in terminal.getvalue()


async def test_the_bar_leaves_nothing_out_on_a_narrow_terminal():
    terminal = io.StringIO()
    bar = Bar(Console(file=terminal, force_terminal=True, width=60))
    with pytest.raises(asyncio.CancelledError):
        await bar.follow(Scripted(replace(BUSY, pause_seconds=41.7)), Expected(File()))
    written = " ".join(terminal.getvalue().split())
    assert "\N{HORIZONTAL ELLIPSIS}" not in written
    assert "limit" in written


async def test_silence_says_only_what_must_be_said(capsys):
    silent = Silent()
    async with following(silent, Scripted(NOW), Expected()):
        silent.say("stopping")
    assert capsys.readouterr().err == "stopping\n"


async def test_a_drawing_that_fails_harms_nobody():
    class Broken(Silent):
        async def follow(self, job, expected):
            raise BrokenPipeError

    async with following(Broken(), Scripted(NOW), Expected()):
        await asyncio.sleep(0)
