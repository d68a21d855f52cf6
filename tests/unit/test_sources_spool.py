import asyncio
import gzip
import os
import resource
import signal
import stat
import threading

import pytest

from bulkdelete.errors import SourceError
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import first_records, from_iterable, open_source, spooled


async def read(source):
    items, lines, files = [], [], set()
    async for rows in source.blocks():
        assert rows.first_row == len(items)
        items += rows.items
        lines += rows.lines
        files.add(rows.file)
    return items, lines, files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "purge.db.spool"


@pytest.fixture
def fifo(tmp_path):
    at = tmp_path / "fifo"
    os.mkfifo(at)
    writers = []

    def begin(data):
        writers.append(threading.Thread(target=at.write_bytes, args=(data,)))
        writers[-1].start()
        return at

    yield begin
    for writer in writers:
        writer.join()


ITEMS = [
    "1",
    "",
    "\ud800",
    'a\nb\r\u2028\x00"\\',
    "é",
    Filter("a", "\udfff\n"),
    Filter("", 1),
    Filter("b", value=True),
    Filter("c", 1.5),
    Filter("d", 2**63),
    "x" * 300_000,
]


async def test_a_spooled_iterable_gives_the_same_items_as_often_as_wanted(path):
    given = [*ITEMS, None, 5]
    original, _, _ = await read(from_iterable(given))
    source = await spooled(from_iterable(iter(given)), path)
    assert (source.name, source.identity, source.replayable) == ("an iterable", {"kind": "iterable"}, True)
    assert source.size_bytes == path.stat().st_size
    for _ in range(2):
        assert await read(source) == (original, [], {""})
    assert [type(item.value) for item in original if isinstance(item, Filter)] == [str, int, bool, float, int]
    assert isinstance(original[-1], Defect)
    assert await first_records(source, 1) == ["1"]
    assert (await source.fingerprint()).startswith("sha256:")


async def test_an_empty_iterable_can_be_spooled(path):
    assert await read(await spooled(from_iterable(iter([])), path)) == ([], [], set())


async def test_a_spool_is_its_owners_only_and_has_no_unfinished_name_left(path):
    await spooled(from_iterable(["1"]), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
async def test_a_fifo_is_spooled_byte_for_byte_and_read_as_it_would_have_been(path, fifo, compress):
    data = compress(b'\xef\xbb\xbfname,record_id\r\n"a\nb",1\r\n\r\nc\xff,2\r\n' + b"d,3\r\n" * 100_000)
    at = fifo(data)
    original = open_source(at, SourceSettings(format="csv"))
    source = await spooled(original, path)
    assert path.read_bytes() == data
    assert (source.name, source.identity, source.replayable) == (str(at), original.identity, True)
    items, lines, files = await read(source)
    assert [items[0], items[2], len(items)] == ["1", "3", 100_002]
    assert (lines[:3], files) == ([2, 5, 6], {str(at)})


async def test_a_finished_spool_is_used_and_the_original_is_not_read(path):
    await spooled(from_iterable(["1", "2"]), path)

    def unread():
        raise AssertionError("nobody should ask")
        yield

    source = await spooled(from_iterable(unread()), path)
    assert (await read(source))[0] == ["1", "2"]


async def test_an_unfinished_spool_starts_over(path):
    partial = path.with_name("purge.db.spool.partial")
    partial.write_text("half of it")
    assert (await read(await spooled(from_iterable(["1"]), path)))[0] == ["1"]
    assert not partial.exists()


async def test_a_link_in_the_place_of_an_unfinished_spool_is_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name("purge.db.spool.partial").symlink_to(victim)
    await spooled(from_iterable(["1"]), path)
    assert victim.read_text() == "precious"


async def test_what_is_no_file_in_the_place_of_a_spool_is_refused(path):
    path.mkdir()
    with pytest.raises(SourceError, match="could not be spooled"):
        await spooled(from_iterable(["1"]), path)


async def test_a_source_that_can_be_read_again_is_not_spooled(path, tmp_path):
    ids = tmp_path / "ids"
    ids.write_text("1\n")
    source = open_source(ids)
    assert await spooled(source, path) is source
    assert not path.exists()


async def test_an_iterable_that_breaks_leaves_no_spool(path):
    def broken():
        yield "1"
        raise ValueError("no")

    with pytest.raises(SourceError, match="before row 1: ValueError: no"):
        await spooled(from_iterable(broken()), path)
    assert list(path.parent.iterdir()) == []


async def test_a_spool_that_cannot_be_written_is_an_error_before_the_original_is_read(tmp_path):
    taken = []
    with pytest.raises(SourceError, match=r"could not be spooled to .*Nothing was sent"):
        await spooled(
            from_iterable(taken.append(number) or str(number) for number in range(9)), tmp_path / "no" / "spool"
        )
    assert taken == []


async def test_a_spool_larger_than_a_file_may_be_is_an_error_and_leaves_nothing(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(SourceError, match=r"could not be spooled to .*File too large"):
            await spooled(from_iterable(["541278230707963208"] * 100_000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(path.parent.iterdir()) == []


async def test_a_cancelled_spooling_leaves_no_spool_and_no_thread(path):
    threads = threading.active_count()
    begun = asyncio.Event()

    async def waiting():
        yield "1"
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(spooled(from_iterable(waiting()), path))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(path.parent.iterdir()) == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("line", ["x", "[1]", '{"a": 1}', "[1, 2]", '["r", "t", "zz", 0]', "", '"', "\xff"])
async def test_a_damaged_spool_is_an_error_and_no_other_rows(path, line):
    source = await spooled(from_iterable(["1"]), path)
    path.write_bytes(b'"1"\n' + line.encode("latin-1") + b'\n"2"\n')
    with pytest.raises(SourceError, match="the spool beside the ledger is damaged"):
        await read(source)
