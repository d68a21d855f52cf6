import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import SourceRefused
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import FILES, first_records, from_iterable, open_source


async def rows_of(source):
    found = []
    async for rows in source.blocks():
        assert rows.first_row == len(found)
        found += [(Path(rows.file).name, line, item) for line, item in zip(rows.lines, rows.items, strict=True)]
    return found


@pytest.fixture
def files(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.csv").write_text(f"record_id\n{name}1\n{name}2\n")
    return tmp_path


ROWS = [(f"{name}.csv", line, f"{name}{line - 1}") for name in "abc" for line in (2, 3)]


async def test_a_directory_is_its_files_in_the_order_of_their_names(files):
    for name in (".hidden", "_SUCCESS", "purge.bulkdelete.db", "purge.bulkdelete.db-wal"):
        (files / name).touch()
    source = open_source(files)
    assert await rows_of(source) == ROWS
    assert json.loads(source.identity[FILES]) == ["a.csv", "b.csv", "c.csv"]
    assert source.size_bytes == source.position_bytes


async def test_a_file_whose_name_only_resembles_a_ledgers_is_read(files):
    (files / "ids.csv.1.bulkdelete.db.held.csv").write_text("record_id\n7\n")
    assert json.loads(open_source(files).identity[FILES])[-1] == "ids.csv.1.bulkdelete.db.held.csv"


async def test_a_glob_is_what_it_matches(files):
    assert await rows_of(open_source(files / "*.csv")) == ROWS
    assert await rows_of(open_source(files / "[ab].csv")) == ROWS[:4]
    (files / "deep").mkdir()
    (files / "deep" / "a.csv").write_text("record_id\nx\n")
    source = open_source(files / "**" / "a.csv")
    assert json.loads(source.identity[FILES]) == ["a.csv", "deep/a.csv"]


async def test_files_keep_the_order_they_are_given_in(files):
    source = open_source([files / "c.csv", files / "a.csv"])
    assert await rows_of(source) == ROWS[4:] + ROWS[:2]
    assert source.paths == (str(files / "c.csv"), str(files / "a.csv"))


async def test_a_name_with_signs_of_a_glob_is_a_file_where_it_is_one(tmp_path):
    (tmp_path / "ids[1].txt").write_text("1\n")
    assert FILES not in open_source(tmp_path / "ids[1].txt").identity


@pytest.mark.parametrize("name", ["[a]", "?", "*", "[*]/[a]"])
async def test_a_folder_is_none_of_the_pattern_where_it_is_one_as_it_is_written(tmp_path, name):
    for folder in (name, "a", "[*]/a"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "1.txt").write_text(f"of-{folder}\n")
    for pattern in ("*.txt", "[0-9].txt", "**/1.txt"):
        source = open_source(f"{tmp_path}/{name}/{pattern}")
        assert (await rows_of(source), source.files) == ([("1.txt", 1, f"of-{name}")], (f"{tmp_path}/{name}/1.txt",))
        assert json.loads(source.identity[FILES]) == ["1.txt"]
    with pytest.raises(SourceRefused, match=r"2\.txt: there is no such file"):
        open_source(f"{tmp_path}/{name}/2.txt")
    with pytest.raises(SourceRefused, match=r"no file matches"):
        open_source(f"{tmp_path}/{name}/2*.txt")


async def test_the_fingerprint_knows_order_and_content(files):
    one, two = files / "a.csv", files / "b.csv"
    prints = [await open_source(paths).fingerprint() for paths in ([one, two], [two, one], [one], files)]
    assert len(set(prints)) == 4
    assert await open_source([one, two]).fingerprint() == prints[0]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["a.csv", "-"], "standard input cannot be one of several"),
        (["a.csv", "./a.csv"], "named twice"),
        ([".", "a.csv"], "named twice"),
        (["none*"], "no file matches"),
        (["a.csv", "gone.csv"], "no such file"),
        (["a.csv", "ids.txt"], "read as csv and .*ids.txt as text.*--format"),
        ([], "no source is named"),
    ],
)
def test_what_is_not_clear_is_refused(files, monkeypatch, paths, said):
    monkeypatch.chdir(files)
    if "ids.txt" in paths:
        (files / "ids.txt").write_text("1\n")
    with pytest.raises(SourceRefused, match=f"{said}.*"):
        open_source(paths)


def test_a_directory_inside_a_directory_is_not_passed_over_in_silence(files):
    (files / "more").mkdir()
    with pytest.raises(SourceRefused, match=r"holds the directory more.*glob"):
        open_source(files)


@pytest.mark.parametrize("pattern", ["*", "m*", "*/", "**/m*", "m*/**/b*", "**/*r*"])
def test_a_directory_that_a_glob_matches_is_not_passed_over_in_silence(files, pattern):
    (files / "more" / "bare").mkdir(parents=True)
    (files / "more" / "bare" / "x.csv").write_text("record_id\nx\n")
    with pytest.raises(SourceRefused, match=rf"matches the directory .*more.*Nothing was sent.*narrower .*'{files}.*"):
        open_source(f"{files}/{pattern}")


@pytest.mark.parametrize("pattern", ["**", "**/*", "*.csv"])
async def test_a_directory_whose_files_a_glob_matches_too_is_no_fault(files, pattern):
    (files / "deep.csv" / "er").mkdir(parents=True)
    (files / "deep.csv" / "x.csv").write_text("record_id\nx\n")
    (files / "deep.csv" / "er" / "y.csv").write_text("record_id\ny\n")
    (files / "deep.csv" / ".hidden").touch()
    if pattern == "*.csv":
        with pytest.raises(SourceRefused, match=r"matches the directory .*deep\.csv"):
            open_source(f"{files}/{pattern}")
        return
    assert len(open_source(f"{files}/{pattern}").files) == 5


def test_a_fifo_cannot_be_one_of_several(files):
    os.mkfifo(files / "d.csv")
    with pytest.raises(SourceRefused, match="can be read only once"):
        open_source(files)


@given(st.lists(st.lists(st.text("ab\n", max_size=4), max_size=5), min_size=1, max_size=4))
async def test_several_files_give_the_rows_that_one_would(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("files")
    for number, ids in enumerate(contents):
        (folder / f"{number}.txt").write_text("".join(f"{one}\n" for one in ids))
    (folder / "all").write_text("".join(f"{one}\n" for ids in contents for one in ids))
    together = open_source(folder / "all", SourceSettings(format="text"))
    assert [item for *_, item in await rows_of(open_source(folder / "*.txt"))] == [
        item for *_, item in await rows_of(together)
    ]


def test_a_pattern_that_no_system_takes_is_refused():
    with pytest.raises(SourceRefused, match="cannot be looked for"):
        open_source("a\0/*")


def test_every_source_knows_its_parts(files):
    several, one, given = open_source(files), open_source(files / "a.csv"), from_iterable([])
    assert [part.name for part in several.parts] == list(several.files)
    assert one.parts == (one,)
    assert given.parts == (given,)


@pytest.mark.parametrize("quote", ["", '"'])
async def test_without_a_header_the_first_row_of_the_first_file_is_the_measure_of_all(tmp_path, quote):
    for name, text in {
        "p-a": f"1,{quote}12{quote},91\n2,13,92\n3,1",
        "p-b": "4,93\n4,15,94\n",
        "p-c": "5,16,95\n",
    }.items():
        (tmp_path / name).write_text(text)
    settings = SourceSettings(format="csv", header=False, column="2")
    source = open_source(tmp_path, settings)
    for _ in range(2):
        found = [item if isinstance(item, str) else item.reason for _, _, item in await rows_of(source)]
        cut = ["has 2 fields; the first row has 3", f"has 2 fields; the first row of {tmp_path / 'p-a'} has 3"]
        assert found == ["12", "13", *cut, "15", "16"]
    looked_at = open_source(tmp_path, settings)
    assert await first_records(looked_at.parts[2]) == ["16"]
    (tmp_path / "p-a").write_text("\n")
    assert [line for _, line, item in await rows_of(open_source(tmp_path, settings)) if isinstance(item, str)] == [1]
