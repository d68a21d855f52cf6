"""``bulkdelete demo``: the whole job on one machine, proven from the emulator's own database."""

from __future__ import annotations

from tests.acceptance.command import Command


async def test_the_demo_proves_what_it_did_and_leaves_nothing_behind(tmp_path):
    finished = await Command(tmp_path, "demo", "--records", 20_000).run()
    assert finished.code == 0, finished.everything
    assert "proved" in finished.everything
    assert "20,000" in finished.everything
    assert not list(tmp_path.iterdir())


async def test_the_demo_keeps_its_files_where_it_is_told_to(tmp_path):
    finished = await Command(tmp_path, "demo", "--records", 5_000, "--keep", "kept").run()
    assert finished.code == 0, finished.everything
    assert any("bulkdelete.db" in file.name or file.suffix == ".db" for file in (tmp_path / "kept").iterdir())
