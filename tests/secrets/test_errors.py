"""Whoever catches an error may show it with the locals of every frame; the key is in none of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing

import pytest

from bulkdelete import BulkDeleteError, BulkDeleter, Settings, open_source
from bulkdelete.credentials import Credentials, credentials_from
from bulkdelete.emulator import Emulator
from bulkdelete.errors import (
    CredentialsError,
    FatalAnswer,
    HoldsRefused,
    LedgerLocked,
    LedgerMismatch,
    RecordsFailed,
    SettingsError,
    SourceChanged,
    SourceError,
)
from bulkdelete.exchange import Reply
from bulkdelete.records import Verdict, VerdictKind
from bulkdelete.retry import Attempted
from tests.acceptance.command import CANARY_KEY, TABLE_ID, ids
from tests.secrets import as_told, assert_nowhere, of_ours
from tests.secrets.server import BEFORE_THE_CUT, echoing, saying
from tests.secrets.showing import HOSTILE, assert_harmless

FLOW = {"retry": {"first_backoff_seconds": 0, "max_attempts": 2}, "flow": {"max_outage_seconds": 0.3}}
AT_THE_CUT = "x" * (BEFORE_THE_CUT - len(CANARY_KEY) + 5)


def settings(base_url: str, **more: object) -> Settings:
    return Settings.from_mapping({"base_url": base_url, **FLOW, **more})


def check(*errors: BaseException) -> None:
    for error in errors:
        assert_nowhere(CANARY_KEY, texts=as_told(error))
        report = getattr(error, "report", None)
        if report is not None:
            assert_nowhere(CANARY_KEY, texts=[repr(report), repr(report.as_dict()), repr(report.failures)])


@pytest.mark.parametrize("where", ["", AT_THE_CUT])
@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (lambda key: saying(403131, key), {"FatalAnswer"}),
        (lambda key: saying(40127, key), {"FatalAnswer"}),
        (lambda key: saying(None, f"<html>{key}</html>", "404 Not Found"), {"FatalAnswer"}),
        (
            lambda key: saying(None, "", "307 Away", f"Location: http://127.0.0.1:9/{key}\r\nX-Key: {key}\r\n"),
            {"FatalAnswer"},
        ),
        (lambda key: saying(40008, key, "200 OK", f"Retry-After: 86400\r\nX-Key: {key}\r\n"), {"PauseTooLong"}),
        (lambda key: saying(None, key, "429 Slow", f"Retry-After: 86400\r\nX-Key: {key}\r\n"), {"PauseTooLong"}),
        (lambda key: saying(50000, key, "200 OK", f"X-Key: {key}\r\n"), {"", "OutageTooLong"}),
        (lambda key: saying(None, key, "502 Bad Gateway"), {"", "OutageTooLong"}),
        (lambda key: saying(40000, key), {""}),
        (lambda key: saying(12345, key), {""}),
        (lambda key: f"HTTP/1.1 200 OK\r\n{key}\0{key}\r\n\r\n".encode(), {"", "OutageTooLong"}),
        (lambda key: f"{key}\r\n\r\n".encode(), {"", "OutageTooLong"}),
    ],
)
async def test_a_server_that_repeats_the_key_puts_it_into_no_error_report_or_ledger(
    tmp_path, caplog, answer, errors, where
):
    caplog.set_level("DEBUG")
    ended = ""
    async with (
        echoing(lambda key: answer(where + key)) as base_url,
        BulkDeleter(settings=settings(base_url), api_key=CANARY_KEY) as deleter,
    ):
        for ledger in (tmp_path / "purge.db", None):
            try:
                report = await deleter.delete(TABLE_ID, ids(3), ledger=ledger)
            except BulkDeleteError as raised:
                ended = type(raised).__name__
                check(raised)
            else:
                ended = {"outage": "OutageTooLong", "quota": "PauseTooLong"}.get(report.ended, "")
                assert_nowhere(CANARY_KEY, texts=[repr(report), repr(report.failures)])
                with pytest.raises(RecordsFailed) as failed:
                    report.raise_for_failures()
                check(failed.value)
    assert ended in errors
    assert_nowhere(CANARY_KEY, [tmp_path], caplog.messages)


@pytest.mark.parametrize("code", [40000, 50000, 77, 403131, 40008])
async def test_what_a_server_says_is_plain_text_in_errors_reports_and_logs_of_a_service_too(tmp_path, caplog, code):
    """A service logs what it catches as it likes; and no control character hides a key from the search for it."""
    caplog.set_level("DEBUG")
    hidden = "\x1b[0m".join((CANARY_KEY[:9], CANARY_KEY[9:]))
    for message in (hidden + HOSTILE, HOSTILE[100:], HOSTILE[40:100]):
        raw = saying(code, message, headers="Retry-After: 86400\r\n" if code == 40008 else "")
        async with (
            echoing(lambda key, raw=raw: raw) as base_url,
            BulkDeleter(settings=settings(base_url), api_key=CANARY_KEY) as deleter,
        ):
            try:
                report = await deleter.delete(TABLE_ID, ids(3), ledger=tmp_path / f"{len(message)}.db")
            except BulkDeleteError as error:
                report = error.report
                assert_harmless(str(error))
        assert_harmless(report.reason)
        for row_fate in report.failures:
            assert_harmless(row_fate.reason)
    for record in caplog.records:
        assert_harmless(record.getMessage())
        assert "\n" not in record.getMessage()
    assert_nowhere(CANARY_KEY, [tmp_path], caplog.messages)


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(3_000))
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(settings=settings(emulator.base_url), api_key=CANARY_KEY) as deleter:
        yield deleter


async def test_no_error_of_a_source_a_ledger_a_hold_list_or_a_setting_holds_the_key(tmp_path, emulator, deleter):
    def breaking():
        yield from ids(1_500)
        raise ValueError("it broke")

    (tmp_path / "no.db").write_bytes(b"no ledger at all" * 100)
    ledger = tmp_path / "purge.db"
    await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger, limit=1_000)
    jobs = {
        SourceError: deleter.delete(TABLE_ID, breaking()),
        SourceChanged: deleter.delete(TABLE_ID, ids(3_000, first=10**17), ledger=ledger),
        LedgerMismatch: deleter.delete(TABLE_ID, ids(2), ledger=tmp_path / "no.db"),
        HoldsRefused: deleter.delete(TABLE_ID, ids(2), holds=[]),
        SettingsError: deleter.delete(TABLE_ID, ids(2), limits=1),
        FatalAnswer: deleter.delete("0" * 24, ids(2)),
    }
    with pytest.raises(RuntimeError) as raised:
        await delete_with_a_check_that_breaks(emulator, tmp_path)
    check(raised.value)
    for expected, job in jobs.items():
        with pytest.raises(expected) as raised:
            await job
        check(raised.value)
    await assert_locked_shows_nothing(deleter, ledger)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript("DROP TABLE batch")
    with pytest.raises(BulkDeleteError) as raised:
        await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger)
    check(raised.value)


async def delete_with_a_check_that_breaks(emulator, folder):
    async def breaks(report):
        raise RuntimeError("no judgement")

    one = settings(emulator.base_url, canary={"records": 1})
    async with BulkDeleter(settings=one, api_key=CANARY_KEY) as deleter:
        await deleter.delete(TABLE_ID, ids(2), ledger=folder / "checked.db", check=breaks)


async def assert_locked_shows_nothing(deleter, ledger):
    async def two():
        with pytest.raises(LedgerLocked) as raised:
            await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger)
        check(raised.value)
        for record in ids(3_000):
            yield record

    await asyncio.wait_for(deleter.delete(TABLE_ID, two(), ledger=ledger), 20)


def give(key):
    return lambda: key


def throw(key):
    def thrower():
        raise ValueError(f"the vault says {key}")

    return thrower


async def late(key):
    await asyncio.sleep(0)
    raise OSError(5, f"no {key}")


@pytest.mark.parametrize(
    "key",
    [
        f"{CANARY_KEY} and more",
        f"{CANARY_KEY}\n{CANARY_KEY}",
        give(f"{CANARY_KEY} x"),
        give(CANARY_KEY.encode()),
        give({CANARY_KEY: 1}),
        throw(CANARY_KEY),
        lambda: late(CANARY_KEY),
    ],
    ids=["spaces", "lines", "a function", "bytes", "a dict", "an error", "an async error"],
)
async def test_a_key_that_cannot_be_used_is_not_shown(emulator, key):
    with pytest.raises(CredentialsError) as raised:
        await use(emulator.base_url, key)
    check(of_ours(raised.value))


async def use(base_url, key):
    made = [key]
    del key  # a caller's own frames are the caller's business
    async with BulkDeleter(base_url=base_url, api_key=made.pop()) as deleter:
        await deleter.delete(TABLE_ID, ids(2))


@pytest.mark.parametrize("base_url", ["nonsense", "http://example.com", "https://user@example.com"])
def test_a_refused_setting_shows_no_key(base_url):
    with pytest.raises(SettingsError) as raised:
        BulkDeleter(base_url=base_url, api_key=CANARY_KEY)
    check(of_ours(raised.value))


async def test_a_key_command_or_file_that_fails_shows_nothing_of_what_it_gave(tmp_path, emulator):
    script = tmp_path / "key.sh"
    script.write_text(f"#!/bin/sh\necho {CANARY_KEY}\necho {CANARY_KEY} >&2\nexit 3\n")
    script.chmod(0o700)
    file = tmp_path / "key"
    file.write_text(CANARY_KEY)
    file.chmod(0o644)
    spaced = tmp_path / "spaced"
    spaced.write_text(f"{CANARY_KEY} {CANARY_KEY}")
    spaced.chmod(0o600)
    for named in ({"api_key_command": [str(script)]}, {"api_key_file": str(file)}, {"api_key_file": str(spaced)}):
        with pytest.raises(CredentialsError) as raised:
            await credentials_from(settings(emulator.base_url, **named)).key()
        check(raised.value)


async def test_a_pipe_that_nobody_finishes_shows_nothing_of_its_key(tmp_path, monkeypatch):
    monkeypatch.setattr("bulkdelete.key_files._PIPE_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe", 0o600)
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(writer, CANARY_KEY.encode())
        with pytest.raises(CredentialsError) as raised:
            await credentials_from(Settings(api_key_file=str(tmp_path / "pipe"))).key()
    finally:
        os.close(writer)
    check(raised.value)


async def test_cancelled_or_at_fault_it_shows_no_key_either(tmp_path):
    async with (
        echoing(lambda key: b"") as base_url,
        BulkDeleter(settings=settings(base_url, flow={"cancel_grace_seconds": 0}), api_key=CANARY_KEY) as one,
    ):
        for ledger in (tmp_path / "purge.db", None):
            task = asyncio.create_task(one.delete(TABLE_ID, ids(3_000), ledger=ledger))
            await asyncio.sleep(0.1)
            assert_nowhere(CANARY_KEY, texts=[repr(other) for other in asyncio.all_tasks()])
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as raised:
                await task
            check(raised.value)


async def test_no_repr_shows_the_key(emulator, tmp_path):
    emulator.keys = {CANARY_KEY: None}
    async with BulkDeleter(settings=settings(emulator.base_url), api_key=CANARY_KEY) as deleter:
        job = deleter.job(TABLE_ID, ids(10), ledger=tmp_path / "purge.db")
        report = await job.run()
        shared = deleter._shared
        insides = [deleter, shared, shared.attempts, shared.transport, shared.limiter, shared.attempts._credentials]
        insides += [shared.attempts._credentials.known, vars(shared.attempts._credentials), vars(shared), vars(deleter)]
        insides += [job, vars(job), report, job.snapshot(), emulator, shared.settings, Credentials(CANARY_KEY)]
        insides.append(Reply(200, {"X-Key": CANARY_KEY}, CANARY_KEY.encode()))  # some servers echo it
        insides.append(Attempted(Verdict(VerdictKind.FATAL), "id", 0.1, CANARY_KEY.encode()))
        assert_nowhere(CANARY_KEY, [tmp_path], map(repr, insides))
    assert report.acknowledged == 10


async def test_records_of_a_broken_file_show_no_key(tmp_path, deleter):
    (tmp_path / "ids.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError) as raised:
        await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.csv"))
    check(raised.value)
