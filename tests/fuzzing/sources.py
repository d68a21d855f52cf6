"""Files as sources: rows come in order and alike wherever a block ends, and what would be sent can be sent."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import zstandard

from bulkdelete.errors import HoldsRefused, SourceError
from bulkdelete.holding import read_holds
from bulkdelete.protocol import encode
from bulkdelete.records import Defect
from bulkdelete.sanity import looks_wrong
from bulkdelete.screening import Screen
from bulkdelete.settings import HoldsSettings, SourceSettings
from bulkdelete.sources import open_source
from bulkdelete.sources.file import FileSource
from bulkdelete.sources.spool_lines import spooled_lots
from tests.fuzzing.keys import check_told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkdelete.records import Item

_IDS: Final = [str(541_278_230_707_963_208 + 37 * row) for row in range(60)]
_BLOCKS_BYTES: Final = (7, 1000)
_SMALL_BYTES: Final = 4096
LINES: Final = (
    *(b"541278230707963208", b"\n", b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xe2\x80\xa8",
        b"\x85",
        b"\xc2\x85",
        b"\x0b",
        b" ",
        b"1e17",
        b"5.4E+17",
        b"x" * 70_000,
    ),
)
CELLS: Final = (
    *(b"record_id", b"email", b"541278230707963208", b"a", b"x" * 3000, b'"', b'"', b'""', b",", b",", b"\t", b";"),
    *(b"\n", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b'\n"', b'","', b'"\n', b'a"', b"\xed\xb0\x8d"),
)
JSON: Final = (
    *(
        b'"',
        b'"',
        b"\\",
        b'\\"',
        b"{",
        b"}",
        b"[",
        b"]",
        b"[]",
        b":",
        b",",
        b"\n",
        b'{"record_id": "',
        b'"}\n',
        b'{"a":',
    ),
    *(
        b'{"filter": {"email": ',
        b"1e999999999",
        b"0.1000000000000000055511",
        b"-0",
        b"null",
        b"NaN",
        b"\\ud800",
        b"\xff",
    ),
)
MAGICS: Final = (
    *(b"\x1f\x8b\x08\0", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"BZh91AY&SY", b"BZh9\x17rE8P\x90"),
    *(b"\0", b"\xff", b"\x04\0\0\0", gzip.compress(b"1\n", mtime=0), zstandard.compress(b"1\n"), lzma.compress(b"1\n")),
)


def text(data: bytes, folder: Path) -> None:
    _read(data, folder, "ids.txt")


def csv(data: bytes, folder: Path) -> None:
    _read(data, folder, "ids.csv")
    _read(data, folder, "ids.csv", header=False, column="2", max_line_bytes=1024)
    _read(data, folder, "ids.tsv", filter_column="email")


def jsonl(data: bytes, folder: Path) -> None:
    _read(data, folder, "ids.jsonl")
    _read(data, folder, "ids.jsonl", column="a", filter_column="email", max_line_bytes=1024)


def packed(data: bytes, folder: Path) -> None:
    _read(data, folder, "ids.txt.gz")


def encoded(data: bytes, folder: Path) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7", "shift_jis", "iso2022_jp", "cp1252"):
        _read(data, folder, "ids.txt", encoding=encoding)


def holds(data: bytes, folder: Path) -> None:
    for name in ("holds.csv", "holds.txt", "holds.jsonl"):
        (folder / name).write_bytes(data)
        try:
            held = asyncio.run(read_holds([open_source(folder / name)], HoldsSettings()))
        except HoldsRefused as error:
            check_told(error)
        else:
            assert len(held)
            assert held.digest


def spool(data: bytes, folder: Path) -> None:
    path = folder / "purge.db.spool"
    path.write_bytes(data)
    source = FileSource("it", path, spooled_lots, {}, 2**40, replayable=True, size_bytes=len(data), file="")
    _items(source)


def texts() -> Sequence[bytes]:
    lines = "\n".join(_IDS)
    return [lines.encode(), f"{lines}\r\n\n\xe9t\xe9\n5.4e+17\n".encode()]


def csvs() -> Sequence[bytes]:
    rows = "".join(f"{one},n{row}@a.b\n" for row, one in enumerate(_IDS))
    quoted = "".join(f'"{one}","a ""{row}"" \n b"\r\n' for row, one in enumerate(_IDS))
    open_at_every_end = b"record_id,email\n" + b'a","\n' * 20_000
    plain = [f"record_id,email\n{rows}".encode(), f"email,record_id\n{quoted}".encode(), "\n".join(_IDS).encode()]
    return [*plain, open_at_every_end]


def jsonls() -> Sequence[bytes]:
    return [
        "".join(f'{{"record_id": "{one}"}}\n' for one in _IDS).encode(),
        "".join(f'"{one}"\n{{"filter": {{"email": "{one}"}}}}\n' for one in _IDS).encode(),
        "".join(f'{{"a": "", "email": {row}.5, "b": [[{{}}]]}}\n' for row in range(60)).encode(),
        b"[]" * 450 + b'\\"' * 30_000,
    ]


def packs() -> Sequence[bytes]:
    plain = "\n".join(_IDS).encode()
    whole = [gzip.compress(plain, mtime=0), bz2.compress(plain), lzma.compress(plain), zstandard.compress(plain)]
    return [*whole, *(one + one for one in whole)]


def encodings() -> Sequence[bytes]:
    plain = "\n".join([*_IDS[:5], "\xe9", "\u65e5", "\U0001f600"])
    return [plain.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8")]


def spools() -> Sequence[bytes]:
    return [b'"1"\n["email", 5]\n["a reason", "text", "00ff", 0]\n', "".join(f'"{one}"\n' for one in _IDS).encode()]


def _read(data: bytes, folder: Path, name: str, **settings: Any) -> None:
    (folder / name).write_bytes(data)
    source = open_source(folder / name, SourceSettings(**settings))
    assert isinstance(source, FileSource)
    first = _items(source)
    if len(data) <= _SMALL_BYTES:
        for block_bytes in _BLOCKS_BYTES:
            again = _items(replace(source, block_bytes=block_bytes))
            assert again == first, f"with blocks of {block_bytes} bytes the rows are others"


def _items(source: FileSource) -> list[Item]:
    """Return the items of *source*, whose last is the kind of error where it breaks, after what came before it."""
    return asyncio.run(_checked(source))


async def _checked(source: FileSource) -> list[Item]:
    items: list[Item] = []
    try:
        await source.fingerprint()
        async with aclosing(source.blocks()) as blocks:
            async for rows in blocks:
                assert rows.first_row == len(items)
                assert not rows.lines or len(rows.lines) == len(rows.items)
                items.extend(rows.items)
    except SourceError as error:
        check_told(error)
        items = [type(error).__name__]
    looks_wrong(items)
    _check_sendable(items)
    return items


def _check_sendable(items: list[Item]) -> None:
    screen = Screen(256)
    for item in items:
        if isinstance(item, Defect):
            assert len(item.text) <= 2**20
        elif screen.fate(item) is None:
            encode("t", [item])
