"""The short campaign: what the wire does to a job with a ledger, and to the real command."""

from __future__ import annotations

import json
import logging
import time

import pytest

from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, serving, write
from tests.secrets import assert_nowhere
from tests.wire.between import Between, Odd
from tests.wire.bytewise import Bytewise, How, Strike, Way
from tests.wire.campaign import play_all, some_cases
from tests.wire.job import BYSTANDERS, RECORDS, acknowledged
from tests.wire.listening import listening
from tests.wire.odd_answers import odd_answers
from tests.wire.tls import certificates

SEED = 20_261_125


async def test_whatever_the_wire_does_the_account_is_right_and_a_resume_completes_it():
    began = time.monotonic()
    found = await play_all(await some_cases(SEED, bytewise=3, always=3, odd_always=1))
    logging.getLogger(__name__).info("%s", found.figures(time.monotonic() - began))
    assert not found.failures, found.told()
    assert not found.proves_little, found.missed


def odd(name: str, elsewhere: str = "") -> Odd:
    return next(one for one in odd_answers(elsewhere) if one.name == name)


ENDS = {
    "redirect 302": 3,
    "redirect 307": 3,
    "redirect 308": 3,
    "a gibibyte in chunks": 75,
    "10,000 headers": 75,
    "a length too short, closed": 75,
    "no HTTP, reset": 75,
    "cookies that are none": 0,
}


@pytest.mark.parametrize("name", ENDS)
async def test_the_command_ends_as_documented_and_goes_on_where_the_wire_is_calm(tmp_path, name):
    heard = []

    async def elsewhere(reader, writer):
        heard.append(await reader.read(1_000))

    async with serving(RECORDS + BYSTANDERS) as emulator, listening(elsewhere) as other:
        between = Between(port_of(emulator.base_url), odd(name, f"http://localhost:{other}"), lambda _: True)
        async with between.started():
            command = purge(tmp_path, f"http://127.0.0.1:{between.port}")
            done = await command.run()
            assert done.code == ENDS[name], done.stderr
            there = set(emulator.remaining(TABLE_ID))
            assert not acknowledged(tmp_path / "purge.db") & there
            check_said(tmp_path, done)
            between.odd = None
            again = await command.run()
            assert (again.code, again.report["acknowledged"]) == (0, len(RECORDS)), again.stderr
            check_said(tmp_path, again)
        assert sorted(emulator.remaining(TABLE_ID)) == sorted(BYSTANDERS)
    assert not heard


@pytest.mark.parametrize("name", certificates().wrong)
async def test_the_command_trusts_no_wrong_certificate_and_sends_it_nothing(tmp_path, name):
    (tmp_path / "authority.pem").write_bytes(certificates().authority_pem)
    async with serving(RECORDS + BYSTANDERS) as emulator:
        wrong = Between(port_of(emulator.base_url))
        async with wrong.started(certificates().wrong[name]):
            done = await purge(tmp_path, f"https://127.0.0.1:{wrong.port}", ca_file="authority.pem").run()
        assert done.code == 3, done.stderr
        assert "certificate does not verify" in done.report["reason"]
        assert (wrong.requests, emulator.requests) == (0, 0)
        check_said(tmp_path, done)


async def test_the_command_goes_on_through_resets_at_many_bytes(tmp_path):
    async with serving(RECORDS + BYSTANDERS) as emulator:
        wire = Bytewise(port_of(emulator.base_url), Strike(How.RESET, Way.ANSWER, 190), always=True)
        async with wire.started():
            done = await purge(tmp_path, f"http://127.0.0.1:{wire.port}").run()
        assert (done.code, done.report["acknowledged"]) == (0, len(RECORDS)), done.stderr
        assert wire.struck >= 2
        check_said(tmp_path, done)


def purge(folder, base_url: str, ca_file: str = "") -> Command:
    write(folder / "ids.txt", RECORDS)
    (folder / "wire.toml").write_text(
        f'base_url = "{base_url}"\n[batch]\nsize = 3\n[http]\nca_file = "{ca_file}"\n'
        "[retry]\nfirst_backoff_seconds = 0.0\nmax_attempts = 3\n"
        "[flow]\nconcurrency = 1\nmax_outage_seconds = 0.5\n"
    )
    words = ("run", "ids.txt", "-c", "wire.toml", "--table-id", TABLE_ID, "--ledger", "purge.db", "--yes", "--json")
    return Command(folder, *words, "--log-format", "json", "--log-level", "debug")


def check_said(folder, done) -> None:
    """Everything on stderr is a line of JSON, also what libraries complain of, and the key is nowhere."""
    for line in done.stderr.splitlines():
        assert json.loads(line)["level"] in {"debug", "info", "warning", "error"}, line
    assert_nowhere(CANARY_KEY, [folder], [done.stdout, done.stderr])


def port_of(base_url: str) -> int:
    return int(base_url.rpartition(":")[2])
