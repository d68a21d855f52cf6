"""The systemd unit and its timer: verified by systemd, and the very command run against the real emulator."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from bulkdelete.cli import exits
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.settings import Settings
from tests.examples.processes import BULKDELETE, HERE, KEY, TABLE_ID, code_of, ids, running, until_requests

if TYPE_CHECKING:
    from pathlib import Path

SERVICE, TIMER, CONFIG = (HERE / f"bulkdelete-purge.{ending}" for ending in ("service", "timer", "toml"))
SETTINGS = Settings.from_mapping(tomllib.loads(CONFIG.read_text()))


def values(unit: Path) -> dict[str, str]:
    """Return what a unit sets; each stands once."""
    lines = [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [tuple(line.split("=", 1)) for line in lines if not re.fullmatch(r"\[\w+\]", line)]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def codes(words: str) -> set[int]:
    return set(map(int, words.split()))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_has_nothing_to_say(tmp_path):
    binary = shlex.split(values(SERVICE)["ExecStart"])[0]
    (tmp_path / SERVICE.name).write_text(SERVICE.read_text().replace(binary, sys.executable))
    shutil.copy(TIMER, tmp_path)
    words = ["systemd-analyze", "verify", "--man=no", tmp_path / SERVICE.name, tmp_path / TIMER.name]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_final_codes_end_the_unit_and_it_has_the_time_that_an_answer_may_take():
    unit, http = values(SERVICE), SETTINGS.http
    assert codes(unit["RestartPreventExitStatus"]) == {exits.FAILED_ROWS, exits.REFUSED, exits.PERSON_NEEDED}
    assert codes(unit["SuccessExitStatus"]) == {exits.RUN_AGAIN, 143}
    assert int(unit["TimeoutStopSec"]) > http.connect_timeout_seconds + http.answer_timeout_seconds
    assert (unit["Type"], unit["Restart"], unit["KillSignal"]) == ("oneshot", "on-failure", "SIGTERM")
    assert (values(TIMER)["Persistent"], TIMER.stem) == ("true", SERVICE.stem)


@pytest.mark.skipif(shutil.which("systemd-creds") is None, reason="there is no systemd here")
async def test_its_command_is_stopped_in_order_and_is_done_in_the_end(tmp_path):
    records, others = ids(5_000), ids(10, first=9_000)
    unit = values(SERVICE)
    (tmp_path / "ids.csv").write_text("\n".join(["record_id", *records]) + "\n")
    (tmp_path / "credentials").mkdir()
    name, _ = unit["LoadCredential"].split(":")
    (tmp_path / "credentials" / name).write_text(f"{KEY}\n")
    (tmp_path / "credentials" / name).chmod(0o440)  # as stat shows what systemd opens to the service's user
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    async with Emulator(faults=Faults(latency_seconds=0.1)) as emulator:
        emulator.add_key(KEY)
        emulator.load(TABLE_ID, records + others)
        state = f"/var/lib/{unit['StateDirectory']}"
        config = CONFIG.read_text().replace(SETTINGS.base_url, emulator.base_url).replace(state, str(tmp_path))
        (tmp_path / "purge.toml").write_text(config)
        where = CONFIG.read_text().splitlines()[0].removeprefix("# ")
        command = [*BULKDELETE, *shlex.split(unit["ExecStart"].replace(where, str(tmp_path / "purge.toml")))[1:]]
        async with running(*command, **env) as service:
            await until_requests(emulator, 2)
            service.process.terminate()
            code, _ = await service.ended()
            assert code in codes(unit["SuccessExitStatus"])
        assert len(others) < emulator.count(TABLE_ID) < len(records) + len(others)
        assert await code_of(*command, **env) == 0
        assert list(emulator.remaining(TABLE_ID)) == others
