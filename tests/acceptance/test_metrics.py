"""``run --metrics-port`` serves metrics while the job runs, or refuses before anything is sent."""

from __future__ import annotations

import asyncio
import re
import socket
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from bulkdelete.cli.serving import served
from bulkdelete.emulator import Faults
from bulkdelete.errors import SettingsError
from tests.acceptance.command import CANARY_KEY, TABLE_ID, finished, ids, purge, serving, write


def scraped(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def value(text: str, series: str) -> float:
    [found] = re.findall(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found)


async def test_the_metrics_of_a_job_can_be_scraped_while_it_runs(tmp_path):
    write(tmp_path / "ids.txt", ids(60))
    async with serving(ids(60)) as emulator:
        emulator.faults = Faults(latency_seconds=0.05)
        words = ("ids.txt", "--batch-size", 1, "--concurrency", 2, "--metrics-port", 0)
        async with purge(tmp_path, emulator, *words).started() as process:
            while not (said := re.search(rb"metrics are served at (\S+)", await process.stderr.readline())):
                pass
            url, text = said[1].decode(), ""
            while "bulkdelete_jobs_running 1.0" not in text or not value(text, ACKNOWLEDGED):
                text = await asyncio.to_thread(scraped, url)
            done = await finished(process)
    assert done.code == 0, done.everything
    assert done.report["acknowledged"] == 60
    assert 0 < value(text, ACKNOWLEDGED) < 60
    assert value(text, "bulkdelete_limit") == 2
    assert url.startswith("http://127.0.0.1:")
    for secret in (CANARY_KEY, TABLE_ID, *ids(60)):
        assert secret not in text


ACKNOWLEDGED = 'bulkdelete_records_total{fate="acknowledged"}'
WITHOUT_LIBRARY = "import sys; sys.modules['prometheus_client'] = None; from bulkdelete.cli import main; main()"


async def test_where_the_library_is_missing_it_says_what_to_install_and_sends_nothing(tmp_path):
    write(tmp_path / "ids.txt", ids(3))
    async with serving(ids(3)) as emulator:
        done = await purge(tmp_path, emulator, "ids.txt", "--metrics-port", 0, program=("-c", WITHOUT_LIBRARY)).run()
        assert emulator.count(TABLE_ID) == 3
        assert not emulator.answers
    assert done.code == 2
    assert "pip install 'bulkdelete[metrics]'" in done.stderr
    assert "Nothing was sent" in done.stderr
    assert not (tmp_path / "purge.db").exists()


async def test_a_port_that_is_taken_is_refused_before_anything_is_sent(tmp_path):
    write(tmp_path / "ids.txt", ids(3))
    async with serving(ids(3)) as emulator:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = await purge(tmp_path, emulator, "ids.txt", "--metrics-port", port).run()
        assert not emulator.answers
    assert done.code == 2
    assert f"port {port}: Address already in use" in done.stderr
    assert done.report["ended"] == "refused"
    assert not (tmp_path / "purge.db").exists()


def test_an_address_of_version_6_is_served_and_afterwards_the_port_is_free(capsys):
    with served(0, "::1"):
        [url] = re.findall(r"http://\[::1\]:\d+/metrics", capsys.readouterr().err)
        assert value(scraped(url), "bulkdelete_jobs_running") == 0
    with pytest.raises(URLError):
        scraped(url)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 80, "192.0.2.1"])
def test_an_address_that_is_not_this_machines_is_refused_with_what_to_do(host):
    with (
        pytest.raises(SettingsError, match=r"(?s)nobody can listen at .*Nothing was sent.*--metrics-host"),
        served(0, host),
    ):
        pass


def test_without_a_port_nothing_is_served():
    with served(None, "127.0.0.1") as metrics:
        assert metrics is None
