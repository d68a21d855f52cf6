import bz2
import gzip
import lzma
import tarfile
import zipfile

import pytest
import zstandard

from bulkdelete.errors import SourceError, SourceRefused
from bulkdelete.records import Defect
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import open_source

PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
IDS = [str(541_000_000_000_000_000 + 7 * row) for row in range(30_000)]


async def read(path, **settings):
    source = open_source(path, SourceSettings(**settings))
    await source.fingerprint()
    return [item async for rows in source.blocks() for item in rows.items]


def text(ids):
    return "".join(f"{one}\n" for one in ids).encode()


@pytest.mark.parametrize("kind", PACK)
async def test_packed_files_are_told_by_how_they_begin_and_members_are_read_through(tmp_path, kind):
    path = tmp_path / "ids.txt"
    path.write_bytes(PACK[kind](text(IDS[:10_000])) + PACK[kind](b"") + PACK[kind](text(IDS[10_000:])))
    assert await read(path) == IDS


@pytest.mark.parametrize("magic", range(0x50, 0x60))
async def test_zstandard_is_told_by_a_frame_to_be_skipped_too_wherever_it_stands(tmp_path, magic):
    def skipped(content):
        return bytes([magic]) + b"\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content

    path = tmp_path / "ids.txt"
    members = [PACK["zst"](text(part)) for part in (IDS[:10_000], IDS[10_000:])]
    path.write_bytes(b"".join([skipped(b"size"), members[0], skipped(b""), skipped(bytes(300_000)), *members[1:]]))
    assert await read(path) == IDS
    path.write_bytes(members[0] + skipped(b"the end"))
    assert await read(path) == IDS[:10_000]
    path.write_bytes(skipped(b"alone"))
    assert await read(path) == []
    for cut in (skipped(b"alone")[:-1], skipped(b"alone")[:6], members[0] + skipped(b"the end")[:-3]):
        path.write_bytes(cut)
        with pytest.raises(SourceError, match="damaged"):
            await read(path)


@pytest.mark.parametrize("kind", PACK)
def test_the_name_before_the_packing_says_the_format(tmp_path, kind):
    path = tmp_path / f"ids.csv.{kind}"
    path.touch()
    assert open_source(path).identity["kind"] == "csv"


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("cut", [1, 5, 1000])
async def test_a_file_cut_short_is_an_error_before_anything_is_taken_from_it(tmp_path, kind, cut):
    path = tmp_path / "ids"
    path.write_bytes(PACK[kind](text(IDS))[:-cut])
    with pytest.raises(SourceError, match=r"damaged, and cannot be unpacked to its end.*Nothing was sent"):
        await read(path)


@pytest.mark.parametrize("kind", PACK)
async def test_what_stands_behind_the_last_member_is_an_error(tmp_path, kind):
    path = tmp_path / "ids"
    path.write_bytes(PACK[kind](text(IDS)) + b"541278230707963208\n")
    with pytest.raises(SourceError, match="damaged"):
        await read(path)


@pytest.mark.parametrize("kind", ["gz", "xz"])
async def test_zeros_may_pad_the_end(tmp_path, kind):
    path = tmp_path / "ids"
    path.write_bytes(PACK[kind](text(IDS)) + bytes(512))
    assert await read(path) == IDS


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("kind", PACK)
async def test_a_decompression_bomb_is_refused_in_bounded_memory(tmp_path, kind):
    path = tmp_path / "ids"
    path.write_bytes(PACK[kind](b"\n" * 200_000_000))
    with pytest.raises(SourceRefused, match=r"unpacks to more than 250 times its size.*max_expansion"):
        await read(path)


@pytest.mark.no_cover  # long, and reaches nothing that others do not
async def test_an_expansion_that_is_meant_is_read(tmp_path):
    path = tmp_path / "ids"
    path.write_bytes(gzip.compress(b"\n" * 70_000_000 + b"1\n"))
    assert await read(path, max_expansion=2000) == ["1"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32", "shift_jis"])
async def test_other_encodings_give_the_same_rows(tmp_path, encoding):
    ids = ["541278230707963208", "a", "\xe9t\xe9" if encoding in {"latin-1", "cp1252"} else "b", "c"]
    path = tmp_path / "ids.csv"
    path.write_bytes("\r\n".join(["record_id", *ids]).encode(encoding))
    assert await read(path, encoding=encoding) == ids
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert await read(path, encoding=encoding) == ids


async def test_bytes_that_do_not_decode_set_their_line_aside_and_no_other(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes(b"1\n2\x81\n3\n")  # 0x81 means nothing in cp1252
    first, second, third = await read(path, encoding="cp1252")
    assert (first, third) == ("1", "3")
    assert isinstance(second, Defect)
    assert second.reason == "bytes that are not cp1252"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", b"1\n2\x81\n3\n"),
        ("ids.csv", b"record_id\n1\n2\x81\n3\n"),
        ("ids.csv", b'record_id\n1\n"2\x81"\n3\n'),
        ("ids.jsonl", b'"1"\n"2\x81"\n"3"\n'),
    ],
)
@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", "UTF-8"), ("UTF8", "UTF-8"), ("cp1252", "cp1252"), ("shift_jis", "shift_jis")]
)
async def test_the_reason_names_the_encoding_that_was_asked_for(tmp_path, name, content, encoding, said):
    (tmp_path / name).write_bytes(content if encoding != "shift_jis" else content.replace(b"\x81", b"\xa0"))
    first, second, third = await read(tmp_path / name, encoding=encoding)
    assert (first, third, second.reason) == ("1", "3", f"bytes that are not {said}")


async def test_utf_16_that_nobody_spoke_of_is_refused_with_the_option_that_helps(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes("1\n2\n".encode("utf-16"))
    with pytest.raises(SourceRefused, match="--encoding utf-16"):
        await read(path)


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv", "ids.jsonl"])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
async def test_an_archive_of_files_is_refused_and_not_read_as_a_list(tmp_path, name, kind):
    (tmp_path / "inside").write_bytes(text(IDS[:9]))
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(tmp_path / "inside", "ids.txt")
    else:
        with tarfile.open(tmp_path / name, "w:gz" if kind == "tar.gz" else "w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(tmp_path / "inside", "ann\u00e9es.txt")
    with pytest.raises(SourceRefused, match=f"a {kind[:3]} archive.*Nothing was sent.*Unpack it"):
        await read(tmp_path / name)


@pytest.mark.parametrize("encoding", ["no-such", "base64", "rot13", ""])
def test_what_is_no_text_encoding_is_refused(encoding):
    with pytest.raises(ValueError, match="no text encoding"):
        SourceSettings(encoding=encoding)
