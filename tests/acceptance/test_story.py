"""The README's purge from start to end, as it stands there, in a shell, against the emulator."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shlex
import sys
from pathlib import Path

from bulkdelete.emulator import Emulator
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids

README = (Path(__file__).parents[2] / "README.md").read_text()
CHAPTER = README.partition("## A purge from start to end")[2].partition("### Holds")[0]


def shown_commands() -> list[str]:
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", CHAPTER, re.DOTALL)
    lines = [line.removeprefix("$ ").partition(" #")[0] for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(bulkdelete verify [^`]+)`", CHAPTER)
    return [line.strip() for line in (*lines, *inline) if line.startswith("bulkdelete")]


def prepare(folder: Path, emulator: Emulator, doomed: list[str], held: list[str]) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", CHAPTER, re.DOTALL)
    (folder / "purge.toml").write_text(block.replace("https://altatech.ai", emulator.base_url))
    (folder / "key").write_text(CANARY_KEY)
    (folder / "key").chmod(0o600)
    (folder / "legal-hold.txt").write_text("".join(f"{record}\n" for record in held))
    [check] = re.findall(r"```python\n(.*?)```", CHAPTER, re.DOTALL)
    (folder / "look-at-the-canary").write_text(check)
    (folder / "look-at-the-canary").chmod(0o700)
    (folder / "exports").mkdir()
    for number in range(3):
        rows = [f"{record},2026-01-{number + 1:02}\n" for record in doomed[number::3]]
        lost = ["5.41278230707963e+17,2026-01-01\n"] if number == 1 else []
        text = "".join(["record_id,closed_at\n", *rows, *lost])
        (folder / "exports" / f"closed-{number + 1}.csv.gz").write_bytes(gzip.compress(text.encode()))


async def in_shell(folder: Path, line: str) -> tuple[int, str]:
    command = Command(folder, key=None)
    line = line.replace("bulkdelete", f"{shlex.quote(sys.executable)} -m bulkdelete", 1)
    process = await asyncio.create_subprocess_shell(
        line,
        cwd=folder,
        env=command.env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, said


async def test_every_command_of_the_chapter_runs_and_does_what_it_says(tmp_path):
    doomed, others = ids(12_000), ids(500, first=700_000_000_000_000_000)
    held = doomed[100:400]
    async with Emulator() as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, doomed + others)
        prepare(tmp_path, emulator, doomed, held)
        ended = {line.split()[1]: await in_shell(tmp_path, line) for line in shown_commands()}
        assert list(ended) == ["plan", "run", "status", "failures", "verify"]
        codes = {name: code for name, (code, _) in ended.items()}
        assert codes == {"plan": 0, "run": 1, "status": 0, "failures": 0, "verify": 0}, ended
        assert set(emulator.remaining(TABLE_ID)) == {*others, *held}
    assert "11,700  would be sent" in ended["plan"][1]
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["acknowledged"], report["held"], report["invalid"]) == (11_700, 300, 1)
    assert (report["total_count_before"], report["total_count_after"]) == (12_500, 800)
    assert "the ledger is as it was when that report was made" in ended["verify"][1]
    assert not any(CANARY_KEY in said for _, said in ended.values())
