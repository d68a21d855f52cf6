import asyncio
import gzip
import hashlib
import os
import threading
from contextlib import aclosing

import pytest

from bulkdelete.errors import SourceError, SourceRefused
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import first_records, from_iterable, is_source, open_source


def test_an_empty_directory_is_refused(tmp_path):
    with pytest.raises(SourceRefused, match="holds no file"):
        open_source(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceRefused, match=r"no such file\. Nothing was sent"):
        open_source(tmp_path / "missing.txt")


def test_what_cannot_be_looked_at_is_refused(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(SourceRefused, match="cannot be read"):
        open_source(loop)
    with pytest.raises(SourceRefused, match="cannot be read"):
        open_source("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("1\n")
    path.chmod(0)
    with pytest.raises(SourceRefused, match="may not be read"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ids", "text"),
        ("ids.txt", "text"),
        ("ids.gz", "text"),
        ("ids.csv", "csv"),
        ("ids.CSV.GZ", "csv"),
        ("ids.tsv", "tsv"),
        ("ids.jsonl", "jsonl"),
        ("ids.ndjson.gz", "jsonl"),
        ("ids.csv.txt", "text"),
    ],
)
def test_the_format_goes_by_the_name(tmp_path, name, kind):
    path = tmp_path / name
    path.touch()
    assert open_source(path).identity["kind"] == kind
    assert open_source(path, SourceSettings(format="tsv")).identity["kind"] == "tsv"


def test_the_identity_holds_what_decides_how_rows_are_read_and_never_the_path(tmp_path):
    path = tmp_path / "ids.csv"
    path.touch()
    settings = SourceSettings(column="a", filter_column="b", delimiter=";", header=True)
    assert open_source(path, settings).identity == {
        "kind": "csv",
        "column": "a",
        "filter_column": "b",
        "delimiter": ";",
        "header": "yes",
        "max_line_bytes": "65536",
    }
    assert open_source(path, SourceSettings(format="tsv", header=False)).identity == {
        "kind": "tsv",
        "column": "",
        "filter_column": "",
        "delimiter": "\t",
        "header": "no",
        "max_line_bytes": "65536",
    }
    assert open_source(path, SourceSettings(format="text")).identity == {"kind": "text", "max_line_bytes": "65536"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"column": "id"}, "is read as text"),
        ({"filter_column": "id"}, "is read as text"),
        ({"delimiter": ";"}, "has no delimiter"),
        ({"format": "jsonl", "delimiter": ";"}, "has no delimiter"),
        ({"format": "csv", "delimiter": '"'}, "cannot be a delimiter"),
        ({"format": "csv", "delimiter": "\n"}, "cannot be a delimiter"),
    ],
)
def test_settings_that_do_not_fit_the_format_are_refused(tmp_path, settings, message):
    path = tmp_path / "ids"
    path.touch()
    with pytest.raises(SourceRefused, match=message):
        open_source(path, SourceSettings(**settings))


async def test_a_regular_file_can_be_read_again_and_has_a_size_and_a_fingerprint(tmp_path):
    path, data = tmp_path / "ids.gz", gzip.compress(b"1\n2\n3\n4\n")
    path.write_bytes(data)
    source = open_source(path)
    assert (source.name, source.replayable, source.size_bytes) == (str(path), True, len(data))
    assert await source.fingerprint() == f"sha256:{hashlib.sha256(data).hexdigest()}"
    for _ in range(2):
        assert [list(rows.items) async for rows in source.blocks()] == [["1", "2", "3", "4"]]
    assert await first_records(source) == ["1", "2", "3"]
    assert await first_records(source, 9) == ["1", "2", "3", "4"]


async def test_a_fingerprint_of_many_steps_is_that_of_all_bytes(tmp_path):
    path, data = tmp_path / "ids", os.urandom(1024) * 9 * 1024
    path.write_bytes(data)
    assert await open_source(path).fingerprint() == f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_standard_input_is_known_by_a_dash_and_cannot_be_looked_at_first():
    source = open_source("-")
    assert (source.name, source.replayable, source.size_bytes) == ("standard input", False, None)
    assert source.identity == {"kind": "text", "max_line_bytes": "65536"}
    assert await source.fingerprint() == ""
    with pytest.raises(SourceRefused, match="only once"):
        await first_records(source)


async def test_an_open_file_by_its_number_cannot_be_read_again(tmp_path):
    path = tmp_path / "ids"
    path.write_text("1\n")
    with path.open("rb") as opened:
        source = open_source(f"/dev/fd/{opened.fileno()}")
        assert not source.replayable
        assert [list(rows.items) async for rows in source.blocks()] == [["1"]]
    with pytest.raises(SourceError, match="only once"):
        source.blocks()


def test_a_source_is_told_from_an_iterable():
    assert is_source(open_source("-"))
    assert is_source(from_iterable([]))
    assert not is_source(["1"])
    assert not is_source(iter("1"))


async def test_a_fifo_is_read_to_the_end_of_its_writer_however_late_that_comes(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = open_source(path)
    assert not source.replayable
    blocks = source.blocks()
    first = asyncio.ensure_future(anext(blocks))
    done, _ = await asyncio.wait([first], timeout=0.1)
    assert not done
    with path.open("wb", buffering=0) as out:
        out.write(b"1\n2")
        assert list((await first).items) == ["1"]
        out.write(b"\n")
    assert [list(rows.items) async for rows in blocks] == [["2"]]


async def test_a_reader_that_waits_on_a_fifo_can_be_cancelled(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    threads = threading.active_count()
    blocks = open_source(path).blocks()
    waiting = asyncio.ensure_future(anext(blocks))
    await asyncio.wait([waiting], timeout=0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await blocks.aclose()
    assert threading.active_count() == threads


@pytest.mark.parametrize("taken", [0, 1, 2, 100])
async def test_closing_the_blocks_at_any_point_ends_their_thread(tmp_path, taken):
    path = tmp_path / "ids"
    path.write_bytes(b"541278230707963208\n" * 100_000)
    threads = threading.active_count()
    count = 0
    async with aclosing(open_source(path).blocks()) as blocks:
        while count < taken and await anext(blocks, None) is not None:
            count += 1
        assert threading.active_count() <= threads + 1
    assert threading.active_count() == threads


async def test_two_readings_at_once_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "ids"
    path.write_bytes(b"541278230707963208\n" * 50_000)
    source = open_source(path)

    async def count():
        return sum([len(rows.items) async for rows in source.blocks()])

    assert await asyncio.gather(count(), count()) == [50_000, 50_000]


async def test_blocking_reads_leave_the_event_loop_free(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    waiting = asyncio.ensure_future(anext(open_source(path).blocks(), None))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    os.close(os.open(path, os.O_WRONLY))
    assert await waiting is None
