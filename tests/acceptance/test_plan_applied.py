"""The command that ``plan`` prints applies the plan as it stands: with the configuration, and with what overrode it."""

from __future__ import annotations

import shlex

import pytest

from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids, serving

OPTIONS = (
    ("--column", "the id", "--no-sanity-check", "--delimiter", "\\t", "--expect", "50"),
    ("ids.csv", "--holds", "held.txt", "--column=the id", "--delimiter=\t", "--concurrency", "adaptive"),
)


@pytest.mark.parametrize("options", OPTIONS)
async def test_it_is_printed_for_a_shell(tmp_path, options):
    records = ids(50)
    (tmp_path / "ids.csv").write_text("\n".join(["other\tthe id", *(f"1\t{record}" for record in records)]))
    (tmp_path / "held.txt").write_text(records[0])
    (tmp_path / "key").write_text(CANARY_KEY)
    (tmp_path / "key").chmod(0o600)
    async with serving(records) as emulator:
        (tmp_path / "my purge.toml").write_text(
            f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\napi_key_command = ["cat", "key"]\n'
            '[source]\npath = "ids.csv"\ncolumn = "other"\n'
        )
        planned = await Command(tmp_path, "plan", *options, "-c", "my purge.toml", "-o", "my plan.json", key=None).run()
        assert planned.code == 0, planned.everything
        [line] = [line for line in planned.stdout.splitlines() if line.startswith("to apply it")]
        words = shlex.split(line.removeprefix("to apply it"))
        assert words[1:6] == ["run", "--plan", "my plan.json", "-c", "my purge.toml"]
        done = await Command(tmp_path, *words[1:], "--yes", "--json", key=None).run()
        assert done.code == 0, done.everything
        held = options.count("--holds")
        assert (done.report["acknowledged"], done.report["held"]) == (50 - held, held)
