"""Standard input belongs to a process, so it is tried in one of its own."""

import gzip
import subprocess
import sys

import pytest

READ = """
import asyncio, pathlib, sys
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import open_source, spooled

async def main():
    source = open_source("-", SourceSettings(format=sys.argv[1]))
    if len(sys.argv) > 2:
        source = await spooled(source, pathlib.Path(sys.argv[2]))
    async for rows in source.blocks():
        for line, item in zip(rows.lines, rows.items, strict=True):
            print(rows.file, line, item, sep="|")

asyncio.run(main())
"""

CANCEL = """
import asyncio, threading
from bulkdelete.sources import open_source

async def main():
    blocks = open_source("-").blocks()
    waiting = asyncio.ensure_future(anext(blocks))
    await asyncio.wait([waiting], timeout=0.2)
    waiting.cancel()
    await asyncio.wait([waiting])
    await blocks.aclose()
    print(waiting.cancelled(), threading.active_count())

asyncio.run(main())
"""


def python(script, *arguments, **options):
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input_is_text_unless_a_format_is_given(compress):
    done = python(READ, "auto", input=compress(b"1\n\n2"))
    assert (done.stdout, done.stderr) == (b"standard input|1|1\nstandard input|3|2\n", b"")
    done = python(READ, "csv", input=compress(b"record_id\n1\n"))
    assert (done.stdout, done.stderr) == (b"standard input|2|1\n", b"")


def test_a_file_as_standard_input_is_read_like_a_pipe(tmp_path):
    path = tmp_path / "ids"
    path.write_bytes(b"1\n2\n")
    with path.open("rb") as stdin:
        done = python(READ, "auto", stdin=stdin)
    assert (done.stdout, done.stderr) == (b"standard input|1|1\nstandard input|2|2\n", b"")


def test_an_empty_standard_input_has_no_rows():
    done = python(READ, "auto", stdin=subprocess.DEVNULL)
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_standard_input_is_spooled_byte_for_byte_and_a_finished_spool_stands_for_it(tmp_path):
    path, data = tmp_path / "spool", b"\xef\xbb\xbf1\r\n\r\n2"
    expected = b"standard input|1|1\nstandard input|3|2\n"
    done = python(READ, "auto", path, input=data)
    assert (done.stdout, done.stderr) == (expected, b"")
    assert path.read_bytes() == data
    done = python(READ, "auto", path, input=b"something else\n")
    assert (done.stdout, done.stderr) == (expected, b"")


def test_a_reader_that_waits_for_standard_input_can_be_cancelled():
    waiting = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CANCEL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with waiting:
        out = waiting.stdout.read()
        error = waiting.stderr.read()
    assert (out, error) == (b"True 1\n", b"")
