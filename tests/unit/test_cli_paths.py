"""Paths written out: the same file from any folder, and symbolic links that may be led elsewhere stay links."""

from __future__ import annotations

import pytest

from bulkdelete.cli.paths import anywhere, program


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "[s]").mkdir()
    (tmp_path / "link").symlink_to("real/inner")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "ids.csv").write_text("1")
    (tmp_path / "real" / "ids.csv").write_text("2")
    monkeypatch.chdir(tmp_path / "sub")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("ids.csv", "sub/ids.csv"),
        ("./a/./b", "sub/a/b"),
        ("../ids.csv", "ids.csv"),
        ("..", ""),
        ("../link/../ids.csv", "real/ids.csv"),
        ("../link/ids.csv", "link/ids.csv"),
        ("../sub/../link/x", "link/x"),
        ("../loop", "loop"),
        ("../loop/../x", "x"),
        ("../*.csv", "*.csv"),
        ("../**/../x", "sub/../**/../x"),
        ("../[s]/../*.csv", "*.csv"),
    ],
)
def test_a_path_loses_its_dots_and_keeps_its_links(folder, path, same):
    assert anywhere(path) == str(folder / same)
    assert anywhere(anywhere(path)) == anywhere(path)


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("./look", "sub/look"),
        ("../look", "look"),
        ("../link/look", "real/inner/look"),
        ("../link/../look", "real/look"),
        ("../link", "link"),
        ("../loop", "loop"),
        ("..", ""),
    ],
)
def test_a_program_keeps_its_own_name_in_its_folder_wherever_that_lies(folder, path, same):
    assert program(path) == str(folder / same)
