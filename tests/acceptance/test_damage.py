"""Damaged files: what is said of a ledger, a packed source or a key that cannot be read, and that nothing was sent."""

from __future__ import annotations

import gzip

import pytest

from tests.acceptance.command import Command, ids, purge, serving, write_csv

PAGE_BYTES = 4096


@pytest.fixture
async def emulator():
    async with serving(ids(500)) as emulator:
        yield emulator


async def test_a_damaged_ledger_teaches_what_to_do_wherever_it_is_damaged(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", [*ids(400), "a b"])
    words = ("ids.csv", "--batch-size", 10)
    assert (await purge(tmp_path, emulator, *words, "--limit", 200).run()).code == 75
    whole, asked = (tmp_path / "purge.db").read_bytes(), emulator.requests
    assert (await Command(tmp_path, "failures", "purge.db").run()).code == 0
    for start in range(PAGE_BYTES, len(whole), PAGE_BYTES):
        torn = bytearray(whole)
        torn[start : start + PAGE_BYTES] = b"\xaa" * PAGE_BYTES
        for command in (Command(tmp_path, "failures", "purge.db"), purge(tmp_path, emulator, *words)):
            (tmp_path / "purge.db").write_bytes(torn)
            refused = await command.run()
            assert refused.code == 2, (start, command.words, refused.everything)
            assert "is damaged" in refused.stderr
            assert "Nothing was sent. Copy it away" in refused.stderr
            assert "bulkdelete verify" in refused.stderr
            assert "a new ledger" in refused.stderr
            assert "remove purge.db-wal and purge.db-shm" in refused.stderr
            assert (tmp_path / "purge.db").read_bytes() == torn
    assert emulator.requests == asked


@pytest.mark.parametrize("at", [PAGE_BYTES + 8, 2 * PAGE_BYTES + 8])
@pytest.mark.parametrize("word", ["run", "status", "failures"])
async def test_a_few_damaged_bytes_are_damage_too_and_no_fault(tmp_path, emulator, at, word):
    write_csv(tmp_path / "ids.csv", ids(400))
    words = ("ids.csv", "--batch-size", 10)
    assert (await purge(tmp_path, emulator, *words, "--limit", 200).run()).code == 75
    asked, ledger = emulator.requests, tmp_path / "purge.db"
    ledger.write_bytes(ledger.read_bytes()[:at] + bytes(range(1, 61)) + ledger.read_bytes()[at + 60 :])
    command = purge(tmp_path, emulator, *words) if word == "run" else Command(tmp_path, word, "purge.db")
    refused = await command.run()
    assert refused.code == 2, refused.everything
    assert "is damaged" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert emulator.requests == asked


def cut_short(data: bytes) -> bytes:
    return data[:-10]


def garbled(data: bytes) -> bytes:
    return data[:30] + b"\x00\xff" + data[32:]


def with_a_wrong_sum(data: bytes) -> bytes:
    return data[:-8] + b"\x00" * 4 + data[-4:]


@pytest.mark.parametrize("damaged", [cut_short, garbled, with_a_wrong_sum])
@pytest.mark.parametrize("more", [(), ("--expect", 400)], ids=["run", "counted first"])
async def test_of_a_packed_source_that_is_damaged_nothing_is_sent_and_that_is_said(tmp_path, emulator, damaged, more):
    (tmp_path / "ids.txt.gz").write_bytes(damaged(gzip.compress("\n".join(ids(400)).encode(), mtime=0)))
    refused = await purge(tmp_path, emulator, "ids.txt.gz", *more).run()
    assert (refused.code, emulator.requests) == (3, 0), refused.everything
    assert "Nothing was sent" in refused.stderr
    if damaged is garbled:
        assert "No row was taken" in refused.stderr


async def test_a_directory_as_the_key_file_is_called_one(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    (tmp_path / "key").mkdir(mode=0o755)
    (tmp_path / "purge.toml").write_text('api_key_file = "key"\n')
    refused = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml", key=None).run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "key: the API key file is a directory" in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert "chmod" not in refused.stderr
