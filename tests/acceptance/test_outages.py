"""A server that is not there, or answers nothing but failures: what it said last is told, and what ends the job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, ids, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.command import Finished


async def run(folder: Path, base_url: str, *more: object) -> Finished:
    job = ("--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db", "--yes", "--json")
    return await Command(folder, "run", "ids.csv", *job, "--batch-size", 1, *more).run()


async def outage(folder: Path, base_url: str, *more: object) -> Finished:
    write_csv(folder / "ids.csv", ids(60))
    done = await run(folder, base_url, "--max-outage", 2, *more)
    assert done.code == 75, done.everything
    assert done.report["ended"] == "outage"
    assert CANARY_KEY not in done.everything
    assert not any(one in line for one in ids(60) for line in done.stderr.splitlines() if "first rows" not in line)
    return done


ABSENT = {
    "http://127.0.0.1:9": "no connection to http://127.0.0.1:9: Connect call failed ('127.0.0.1', 9)",
    "https://no-such-host.invalid": "no connection to https://no-such-host.invalid: ",
}


@pytest.mark.parametrize("base_url", ABSENT)
async def test_why_nobody_can_be_reached_is_said_when_the_outage_begins_and_when_it_ends_the_job(tmp_path, base_url):
    done = await outage(tmp_path, base_url)
    assert done.report["reason"].startswith(
        "nothing but failures came back for 2 s (max_outage_seconds); the last failure: "
    )
    assert ABSENT[base_url] in done.report["reason"]
    told = [line for line in done.stderr.splitlines() if ABSENT[base_url] in line]
    assert "an outage" in told[0]
    assert told[-1].startswith("bulkdelete: outage: ")
    status = await Command(tmp_path, "status", "purge.db", "--json").run()
    assert ABSENT[base_url] in json.loads(status.stdout)["last_run"]["reason"]


async def test_tls_to_a_port_that_speaks_http_only_is_named(tmp_path):
    async with Emulator() as emulator:
        done = await outage(tmp_path, emulator.base_url.replace("http:", "https:"))
    assert "TLS failed" in done.report["reason"]
    assert "WRONG_VERSION_NUMBER" in done.report["reason"]
    assert "http:" in done.report["reason"]


async def test_the_code_of_answers_that_are_nothing_but_failures_is_said_and_their_words_are_not(tmp_path):
    async with Emulator(faults=Faults(internal_error_rate=1.0)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(20))
        done = await outage(tmp_path, emulator.base_url)
    assert done.report["reason"].endswith("the last failure: code 50000, HTTP 200")
    assert "Internal system error" not in done.everything


@pytest.mark.parametrize("more", [(), ("--wait",)])
async def test_a_server_that_once_asked_for_a_pause_and_then_only_fails_ends_the_job_as_an_outage(tmp_path, more):
    script = ["429", *["50000"] * 1000]
    async with Emulator(faults=Faults(script=script, retry_after_seconds=1)) as emulator:
        emulator.add_key(CANARY_KEY)
        done = await outage(tmp_path, emulator.base_url, *more)
    assert done.report["reason"] == (
        "nothing but failures came back for 2 s (max_outage_seconds); the last failure: code 50000, HTTP 200"
    )
    assert "an outage begins: nothing but failures comes back" in done.stderr


async def test_with_wait_failures_with_a_refusal_after_each_end_the_job_as_an_outage(tmp_path):
    script = [*["50000"] * 5, *["429", "50000"] * 500]
    async with Emulator(faults=Faults(script=script, retry_after_seconds=1)) as emulator:
        emulator.add_key(CANARY_KEY)
        done = await outage(tmp_path, emulator.base_url, "--wait")
    assert "nothing but failures came back for 2 s" in done.report["reason"]
    assert done.report["requests"] < 15


async def test_a_server_that_refuses_for_a_moment_and_for_ever_is_not_hammered_and_ends_the_job(tmp_path):
    write_csv(tmp_path / "ids.csv", ids(60))
    async with Emulator(faults=Faults(too_many_requests_rate=1.0, retry_after_seconds=0.001)) as emulator:
        emulator.add_key(CANARY_KEY)
        done = await run(tmp_path, emulator.base_url, "--max-pause", 3)
    assert done.code == 75, done.everything
    assert done.report["ended"] == "quota"
    assert done.report["requests"] < 30


async def test_a_maintenance_that_says_how_long_to_wait_ends_as_an_outage_and_fails_no_batch(tmp_path):
    async def closed(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "1"}, text="closed for maintenance")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", closed)
    (tmp_path / "purge.toml").write_text("[retry]\nmax_attempts = 2\n[stop]\nmax_failures = 1\n")
    async with TestServer(app) as server:
        done = await outage(tmp_path, str(server.make_url("")).rstrip("/"), "-c", "purge.toml")
    assert done.report["reason"].endswith("the last failure: HTTP 503")
    assert done.report["requests"] < 30


async def test_a_job_of_few_batches_that_nobody_answers_says_why_too(tmp_path):
    write_csv(tmp_path / "ids.csv", ids(60))
    (tmp_path / "purge.toml").write_text("[retry]\nmax_attempts = 2\nfirst_backoff_seconds = 0.0\n")
    words = ("run", "-c", "purge.toml", "ids.csv", "--table-id", TABLE_ID, "--base-url", "http://127.0.0.1:9", "--json")
    for max_failures in (10, 1000):
        done = await Command(tmp_path, *words, "--yes", "--max-failures", max_failures, "--ledger", max_failures).run()
        assert "the last failure: no connection to http://127.0.0.1:9" in done.report["reason"], done.everything
        assert fates(done.report) in ({"pending": 60}, {"unresolved": 60})


async def test_with_wait_a_server_that_refuses_without_saying_how_long_is_waited_for(tmp_path):
    write_csv(tmp_path / "ids.csv", ids(60))
    async with Emulator(faults=Faults(script=["429"] * 14)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(60))
        done = await run(tmp_path, emulator.base_url, "--max-outage", 1, "--wait")
    assert done.code == 0, done.everything
    assert fates(done.report) == {"acknowledged": 60}
    assert "outage" not in done.everything
    assert "the API refuses everything" in done.stderr


async def test_without_it_such_a_server_ends_the_job_and_is_not_called_down(tmp_path):
    write_csv(tmp_path / "ids.csv", ids(60))
    async with Emulator(faults=Faults(too_many_requests_rate=1.0)) as emulator:
        emulator.add_key(CANARY_KEY)
        done = await run(tmp_path, emulator.base_url, "--max-outage", 1)
    assert done.code == 75, done.everything
    assert done.report["reason"].startswith("nothing but refusals came back for 1 s (max_outage_seconds)")
