import gzip
import hashlib
from dataclasses import replace

import pytest

from bulkdelete.errors import SourceError
from bulkdelete.records import Defect
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import open_source


async def read(path, block_bytes=256 * 1024, **settings):
    source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
    items, lines = [], []
    async for rows in source.blocks():
        assert rows.first_row == len(items)
        assert rows.file == str(path)
        assert len(rows.lines) == len(rows.items) > 0
        items += rows.items
        lines += rows.lines
    return items, lines


@pytest.fixture
def file(tmp_path):
    def write(data, name="ids.txt"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


BLOCK_BYTES = pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64, 256 * 1024])


@BLOCK_BYTES
@pytest.mark.parametrize(
    ("data", "items", "lines"),
    [
        (b"", [], []),
        (b"\n\r\n\n", [], []),
        (b"1\n2\n", ["1", "2"], [1, 2]),
        (b"1\n2", ["1", "2"], [1, 2]),
        (b"1\r\n2\r\n3\r", ["1", "2", "3"], [1, 2, 3]),
        (b"1\r\r\n\r\r\n", ["1\r", "\r"], [1, 2]),
        (b"\n1\n\r\n\n2\n", ["1", "2"], [2, 5]),
        (b"\xef\xbb\xbf1\n\xef\xbb\xbf2\n", ["1", "\ufeff2"], [1, 2]),
        (b"\xef\xbb\xbf", [], []),
        (
            b"\xef\xbb",
            [Defect("bytes that are not UTF-8", r"\xef\xbb", hashlib.sha256(b"\xef\xbb").digest()[:16])],
            [1],
        ),
        (b" 1 \n\t2\n", [" 1 ", "\t2"], [1, 2]),
        ("a\x0bb\x0c\x1c\x85c\u2028d\u2029e\n2\n".encode(), ["a\x0bb\x0c\x1c\x85c\u2028d\u2029e", "2"], [1, 2]),
        (b"1\x00\n\x00\n", ["1\x00", "\x00"], [1, 2]),
    ],
)
async def test_lines_end_at_line_feeds_and_lose_one_carriage_return(file, data, items, lines, block_bytes):
    assert await read(file(data), block_bytes) == (items, lines)


async def test_lines_without_blanks_between_them_are_a_range(file):
    blocks = [rows async for rows in open_source(file(b"\n1\n2\n")).blocks()]
    assert blocks[0].lines == [2, 3]
    blocks = [rows async for rows in open_source(file(b"1\n2\n")).blocks()]
    assert blocks[0].lines == range(1, 3)


@BLOCK_BYTES
async def test_a_line_that_is_not_utf8_harms_no_other(file, block_bytes):
    items, lines = await read(file("1\n2\xe9\n\u00e9\n".encode("latin-1") + "é\n".encode()), block_bytes)
    assert lines == [1, 2, 3, 4]
    assert items[0] == "1"
    assert items[1] == Defect("bytes that are not UTF-8", r"2\xe9", hashlib.sha256(b"2\xe9").digest()[:16])
    assert isinstance(items[2], Defect)
    assert items[3] == "é"


@BLOCK_BYTES
async def test_a_line_longer_than_the_limit_is_one_defect_with_the_digest_of_all_of_it(file, block_bytes):
    fits, long = b"x" * 1024, b"y" * 1025
    data = b"1\n" + fits + b"\n" + long + b"\n2\n" + long * 9 + b"\n" + fits + b"\n" + long
    items, lines = await read(file(data), block_bytes, max_line_bytes=1024)
    defect = Defect("a line longer than 1024 bytes", "y" * 300, hashlib.sha256(long).digest()[:16])
    assert items[:4] == ["1", fits.decode(), defect, "2"]
    assert items[4].fingerprint == hashlib.sha256(long * 9).digest()[:16]
    assert items[5:] == [fits.decode(), defect]
    assert lines == [1, 2, 3, 4, 5, 6, 7]


async def test_a_line_of_100_mebibytes_is_passed_in_bounded_memory(file, tmp_path):
    tracemalloc = pytest.importorskip("tracemalloc")
    path = tmp_path / "ids.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"1\n")
        for _ in range(100):
            out.write(b"x" * 1024 * 1024)
        out.write(b"\n2\n")
    tracemalloc.start()
    try:
        items, lines = await read(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [items[0], items[2], lines] == ["1", "2", [1, 2, 3]]
    assert items[1].fingerprint == hashlib.sha256(b"x" * 100 * 1024 * 1024).digest()[:16]
    assert peak_bytes < 8 * 1024 * 1024


@BLOCK_BYTES
async def test_gzip_is_known_by_its_first_bytes_and_may_have_several_members(file, block_bytes):
    data = gzip.compress(b"\xef\xbb\xbf1\n2") + gzip.compress(b"3\n") + gzip.compress(b"") + b"\0\0\0"
    assert await read(file(data, "ids.dat"), block_bytes) == (["1", "23"], [1, 2])


async def failing_read(path, **settings):
    items = []

    async def read_on():
        async for rows in open_source(path, SourceSettings(**settings)).blocks():
            items.extend(rows.items)

    with pytest.raises(SourceError) as caught:
        await read_on()
    return items, str(caught.value)


async def test_a_truncated_gzip_gives_its_whole_rows_and_then_an_error_with_the_row(file):
    ids = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(20_000)]
    data = gzip.compress("\n".join(ids).encode())
    path = file(data[: len(data) // 2], "ids.txt.gz")
    items, message = await failing_read(path)
    assert 8000 < len(items) < 12_000
    assert items == ids[: len(items)]
    assert str(path) in message
    assert f"before row {len(items)}:" in message


async def test_a_gzip_with_a_wrong_checksum_is_an_error_after_rows_that_are_whole(file):
    rows = [str(row) for row in range(20_000)]
    data = bytearray(gzip.compress("\n".join(rows).encode()))
    data[-5] ^= 1
    items, message = await failing_read(file(bytes(data)))
    assert len(items) < 20_000
    assert items == rows[: len(items)]
    assert f"before row {len(items)}:" in message


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b", b"\x1f\x8b\x08\x00"])
async def test_what_follows_a_gzip_member_and_is_none_is_an_error(file, tail):
    items, _ = await failing_read(file(gzip.compress(b"1\n2\n") + tail))
    assert items == ["1", "2"]


@pytest.mark.parametrize("data", [b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03damaged"])
async def test_a_damaged_gzip_is_an_error_before_the_first_row(file, data):
    assert (await failing_read(file(data)))[0] == []


async def test_a_file_that_disappears_before_it_is_read_is_an_error(file):
    source = open_source(file(b"1\n"))
    file(b"").unlink()
    with pytest.raises(SourceError, match="before row 0: No such file"):
        await anext(source.blocks())
