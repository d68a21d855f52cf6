"""What no list of ids is, given to the command all the same: it ends soon, in little memory, with words."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
from functools import cache

import pytest
import zstandard
from click.testing import CliRunner

from bulkdelete.cli.commands import group
from tests.acceptance.command import (
    CANARY_KEY,
    TABLE_ID,
    Command,
    fates,
    finished,
    ids,
    purge,
    serving,
    write,
    write_csv,
)
from tests.acceptance.measuring import measured

MOST_KIBIBYTES = 200 * 1024
MOST_CPU_SECONDS = 25
MEBIBYTE = 2**20


@pytest.fixture
async def emulator():
    async with serving(ids(500)) as emulator:
        yield emulator


async def in_bounds(command, stdin=b""):
    """Run *command*, which must stay within bounds and may not fail as a fault; return how it ended."""
    done, usage = await measured(command, stdin)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.code in {0, 1, 2, 3}, done.everything
    assert usage.kibibytes < MOST_KIBIBYTES
    assert usage.cpu_seconds < MOST_CPU_SECONDS
    return done


def of_zeros(compressor, mebibytes):
    return b"".join([*(compressor.compress(bytes(MEBIBYTE)) for _ in range(mebibytes)), compressor.flush()])


def gz(mebibytes):
    return gzip.compress(bytes(mebibytes * MEBIBYTE), mtime=0)


def zst(mebibytes):
    return of_zeros(zstandard.ZstdCompressor(level=19).compressobj(), mebibytes)


BOMBS = {"gz": cache(lambda: gz(400)), "zst": cache(lambda: zst(400))}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("as_holds", [False, True], ids=["source", "hold list"])
async def test_a_decompression_bomb_is_refused(tmp_path, emulator, kind, as_holds):
    (tmp_path / f"bomb.txt.{kind}").write_bytes(BOMBS[kind]())
    write_csv(tmp_path / "ids.csv", ids(5))
    words = ("ids.csv", "--holds", f"bomb.txt.{kind}") if as_holds else (f"bomb.txt.{kind}",)
    done = await in_bounds(purge(tmp_path, emulator, *words))
    assert (done.code, emulator.requests) == (2, 0), done.everything
    assert "unpacks to more than 250 times its size" in done.stderr


async def test_a_bomb_on_standard_input_is_refused(tmp_path, emulator):
    done = await in_bounds(purge(tmp_path, emulator, "-"), BOMBS["gz"]())
    assert (done.code, emulator.requests) == (2, 0), done.everything
    assert "unpacks to more than 250 times its size" in done.stderr


async def test_a_bomb_in_a_packed_file_is_bytes_and_no_list(tmp_path, emulator):
    (tmp_path / "nested.txt.gz").write_bytes(gzip.compress(BOMBS["gz"](), mtime=0))
    done = await in_bounds(purge(tmp_path, emulator, "nested.txt.gz"))
    assert emulator.requests == 0
    assert done.code in {1, 2}, done.everything


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv", "ids.jsonl"])
async def test_a_line_of_100_mib_is_one_invalid_row(tmp_path, emulator, name):
    with (tmp_path / name).open("wb") as file:
        file.write({"ids.txt": b"", "ids.csv": b"record_id\n", "ids.jsonl": b""}[name])
        quote = b'"' if name == "ids.jsonl" else b""
        file.write(quote + ids(1)[0].encode() + quote + b"\n")
        for _ in range(100):
            file.write(b"9" * MEBIBYTE)
        file.write(b"\n" + quote + ids(2)[1].encode() + quote + b"\n")
    done = await in_bounds(purge(tmp_path, emulator, name))
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2, "invalid": 1}), done.everything


async def test_json_nested_a_million_deep_is_one_invalid_row(tmp_path, emulator):
    deep = "[" * 30_000 + "]" * 30_000
    lines = [
        f'"{ids(1)[0]}"',
        *[deep, f'{{"record_id": {deep}}}', '{"a":' * 12_000] * 20,
        "9" * 60_000,
        f'"{ids(2)[1]}"',
    ]
    (tmp_path / "ids.jsonl").write_text("\n".join(lines))
    done = await in_bounds(purge(tmp_path, emulator, "ids.jsonl"))
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2, "invalid": 61}), done.everything


MIXED = {
    "a NUL": b"5412782\x0030707963208",
    "Latin-1": b"\xe9t\xe9",
    "UTF-16": "541278230707963208".encode("utf-16"),
    "a byte order mark inside": b"\xef\xbb\xbf541278230707963208",
    "a UTF-16 mark inside": b"\xff\xfe541278230707963208",
    "a surrogate in UTF-8": b"\xed\xa0\x80",
}


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("name", ["ids.txt", "ids.csv"])
async def test_a_line_in_another_encoding_is_set_aside_and_no_other(tmp_path, emulator, kind, name):
    head = [b"record_id"] if name == "ids.csv" else []
    lines = [*head, ids(1)[0].encode(), MIXED[kind], ids(2)[1].encode()]
    (tmp_path / name).write_bytes(b"\n".join(lines))
    done = await in_bounds(purge(tmp_path, emulator, name))
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2, "invalid": 1}), done.everything


@pytest.mark.parametrize("option", ["-c", "--plan", "--report"])
async def test_a_device_without_an_end_is_no_file_of_ours(tmp_path, emulator, option):
    write_csv(tmp_path / "ids.csv", ids(5))
    if option == "--report":
        assert (await purge(tmp_path, emulator, "ids.csv").run()).code == 0
        command = Command(tmp_path, "verify", "purge.db", option, "/dev/zero")
    else:
        command = purge(tmp_path, emulator, "ids.csv", option, "/dev/zero")
    done = await in_bounds(command)
    assert done.code == 2, done.everything


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom"])
@pytest.mark.parametrize("words", [("ids.csv", "--holds"), ()], ids=["hold list", "source"])
async def test_a_device_without_an_end_is_no_list(tmp_path, emulator, words, device):
    write_csv(tmp_path / "ids.csv", ids(5))
    done = await in_bounds(purge(tmp_path, emulator, *words, device))
    assert (done.code, emulator.requests) == (2, 0), done.everything
    assert "a device, which may never end" in done.stderr


async def test_the_empty_device_is_an_empty_list(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    done = await in_bounds(purge(tmp_path, emulator, "ids.csv", "--holds", "/dev/null", "--allow-empty-holds"))
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 5}), done.everything


async def test_what_is_written_to_a_full_device_is_told(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    words = ("ids.csv", "--table-id", "a", "--base-url", emulator.base_url)
    done = await in_bounds(Command(tmp_path, "plan", *words, "-o", "/dev/full"))
    assert done.code == 2, done.everything
    done = await in_bounds(purge(tmp_path, emulator, "ids.csv", "--ledger", "/dev/full"))
    assert (done.code, emulator.requests) == (2, 0), done.everything


@pytest.mark.parametrize("name", ["ids.txt", "ids.txt.gz"])
async def test_a_file_that_shrinks_while_it_is_read_is_not_followed(tmp_path, emulator, name):
    rows = ids(300_000)
    text = "".join(f"{row}\n" for row in rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(text, 1) if name.endswith("gz") else text)
    async with purge(tmp_path, emulator, name, "--concurrency", 1).started() as process:
        while not emulator.requests and process.returncode is None:
            await asyncio.sleep(0.001)
        os.truncate(tmp_path / name, 100)
        done = await finished(process)
    assert done.code in {2, 3}, done.everything
    assert "Traceback" not in done.stderr
    assert done.report["acknowledged"] < len(rows)


async def test_a_header_over_one_column_of_text_is_an_invalid_row_or_refused(tmp_path, emulator):
    write(tmp_path / "ids.txt", ["record id", *ids(5)])
    done = await in_bounds(purge(tmp_path, emulator, "ids.txt"))
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 5, "invalid": 1}), done.everything


PLACES = {
    "a source": ("it",),
    "a hold list": ("ids.txt", "--holds", "it"),
    "a configuration": ("ids.txt", "-c", "it"),
    "a key file": ("ids.txt", "-c", "key.toml"),
    "a plan": ("--plan", "it"),
    "a ledger": ("ids.txt", "--ledger", "it"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["a directory", "a symlink loop"])
def test_a_directory_or_a_symlink_loop_is_refused_in_words_wherever_a_file_belongs(tmp_path, monkeypatch, place, kind):
    write(tmp_path / "ids.txt", ids(5))
    (tmp_path / "key.toml").write_text('api_key_file = "it"\n')
    if kind == "a directory":
        (tmp_path / "it").mkdir()
    else:
        (tmp_path / "it").symlink_to("other")
        (tmp_path / "other").symlink_to("it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKDELETE_API_KEY", "" if place == "a key file" else CANARY_KEY)
    words = ("--table-id", TABLE_ID, "--base-url", "http://127.0.0.1:9", "--yes", *PLACES[place])
    done = CliRunner().invoke(group, ["run", *words])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert re.search(r"\bit\b", done.stderr), done.stderr
    assert "othing was sent" in done.stderr
