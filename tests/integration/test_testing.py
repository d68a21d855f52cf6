"""``bulkdelete.testing``: the fixture in a suite of somebody's own, run by a pytest of its own."""

from __future__ import annotations

import threading
import urllib.request
from dataclasses import fields

import pytest

from bulkdelete.emulator import Emulator, Faults, Switches
from bulkdelete.errors import SettingsError
from bulkdelete.testing import RunningEmulator, run_emulator
from tests.integration.asking import TABLE_ID, ask, by_email, by_id, ids

pytest_plugins = ["pytester"]

ASKING = """
import asyncio, json, urllib.request
import pytest
from bulkdelete import BulkDeleter
from bulkdelete.emulator import Faults, Switches

TABLE_ID = "673af861ed69656ac0895b07"

def ask(emulator, *ids, key=None):
    body = json.dumps({"table_id": TABLE_ID, "delete_data": [{"record_id": one} for one in ids]}).encode()
    headers = {"Authorization": f"Bearer {key or emulator.api_key}"}
    request = urllib.request.Request(emulator.base_url + "/v2/database/delete/record", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["code"]

async def erase(emulator, *ids):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        return await deleter.delete(TABLE_ID, ids)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests of somebody's own with strict markers and warnings as errors, also *alone* in a process of its own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config -p no:cacheprovider\nfilterwarnings = error\n"
    )

    def run(
        text: str, *words: str, conftest: str = 'pytest_plugins = ["bulkdelete.testing"]', alone: bool = False
    ) -> pytest.RunResult:
        pytester.makeconftest(conftest)
        pytester.makepyfile(ASKING + text)
        words = ("-p", "no:cov", "-p", "no:timeout", *words)
        return pytester.runpytest_subprocess(*words, timeout=100) if alone else pytester.runpytest_inprocess(*words)

    return run


WITHOUT_ASYNCIO = ("-p", "no:asyncio")
WITH_ASYNCIO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")

TESTS = """
def test_sync(bulkdelete_emulator):
    bulkdelete_emulator.load(TABLE_ID, ["1", "2"])
    assert ask(bulkdelete_emulator, "1") == 0
    assert bulkdelete_emulator.remaining(TABLE_ID) == ["2"]
    assert bulkdelete_emulator.requests == 1
    [logged] = bulkdelete_emulator.log
    assert (logged.answer, list(logged.applied)) == (0, ["1"])

def test_each_test_has_its_own(bulkdelete_emulator):
    assert (bulkdelete_emulator.requests, bulkdelete_emulator.log) == (0, [])
    with pytest.raises(LookupError, match="it has none"):
        bulkdelete_emulator.count(TABLE_ID)

def test_async_by_hand(bulkdelete_emulator):
    bulkdelete_emulator.load(TABLE_ID, ["1", "2"])
    assert asyncio.run(erase(bulkdelete_emulator, "1")).acknowledged == 1
    assert bulkdelete_emulator.count(TABLE_ID) == 1

@pytest.mark.bulkdelete_emulator(faults=Faults(script=["50000", "ok"]), switches=Switches(unknown_ids="40000"))
class TestMarked:
    def test_of_the_class(self, bulkdelete_emulator):
        bulkdelete_emulator.load(TABLE_ID, ["1"])
        assert [ask(bulkdelete_emulator, one) for one in ("1", "1", "1")] == [50000, 0, 40000]

    @pytest.mark.bulkdelete_emulator(api_key="mine", record_requests=False)
    def test_of_its_own(self, bulkdelete_emulator):
        bulkdelete_emulator.load(TABLE_ID, ["1"])
        assert [ask(bulkdelete_emulator, "1", key=key) for key in ("mine", "emulator-key")] == [0, 40127]
        assert bulkdelete_emulator.log == []
"""


@pytest.mark.parametrize("words", [WITH_ASYNCIO, WITHOUT_ASYNCIO], ids=["with pytest-asyncio", "without"])
def test_sync_tests_and_tests_with_a_loop_of_their_own_use_it(run, words):
    run(TESTS, *words, alone=True).assert_outcomes(passed=5)


def test_async_tests_use_it(run):
    text = """
async def test_async(bulkdelete_emulator):
    bulkdelete_emulator.load(TABLE_ID, (str(number) for number in range(3)))
    report = await erase(bulkdelete_emulator, "0", "1")
    assert report.acknowledged == 2
    assert bulkdelete_emulator.remaining(TABLE_ID) == ["2"]
"""
    run(text, *WITH_ASYNCIO, alone=True).assert_outcomes(passed=1)


def test_one_emulator_for_many_tests_is_a_fixture_of_ones_own(run):
    conftest = """
import pytest
from bulkdelete.emulator import Emulator, Switches
from bulkdelete.testing import run_emulator

pytest_plugins = ["bulkdelete.testing"]

@pytest.fixture(scope="session")
def api():
    with run_emulator(Emulator(switches=Switches(requests_per_day=1))) as emulator:
        yield emulator
"""
    text = """
def test_first(api):
    api.load(TABLE_ID, ["1"])
    assert ask(api, "1") == 0

def test_second(api, bulkdelete_emulator):
    assert (api.count(TABLE_ID), api.requests) == (0, 1)
    assert api.base_url != bulkdelete_emulator.base_url
"""
    run(text, *WITHOUT_ASYNCIO, conftest=conftest, alone=True).assert_outcomes(passed=2)


def test_it_can_be_had_in_a_test_module_alone_and_by_the_command_line(run):
    text = "def test_it(bulkdelete_emulator):\n    assert bulkdelete_emulator.requests == 0\n"
    run('pytest_plugins = ["bulkdelete.testing"]\n' + text, *WITHOUT_ASYNCIO, conftest="").assert_outcomes(passed=1)
    run(text, *WITHOUT_ASYNCIO, "-p", "bulkdelete.testing", conftest="").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("fault=None", "fault is no argument of Emulator; did you mean faults?"),
        ("capacity=4", "capacity is no argument of Emulator; write switches=Switches(capacity=...)"),
        ("drip_rate=1", "drip_rate is no argument of Emulator; write faults=Faults(drip_rate=...)"),
        ("Faults()", "name each argument, as in faults=Faults("),
        ("path='/nowhere/at/all'", "the emulator's database cannot be opened"),
    ],
)
def test_a_wrong_marker_is_an_error_that_says_what_is_right(run, arguments, said):
    text = f"@pytest.mark.bulkdelete_emulator({arguments})\ndef test_it(bulkdelete_emulator): ...\n"
    result = run(text, *WITHOUT_ASYNCIO)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{said.replace('[', '[[]')}*"])


def test_the_marker_is_listed(run):
    run("", *WITHOUT_ASYNCIO, "--markers").stdout.fnmatch_lines(["@pytest.mark.bulkdelete_emulator(?*"])


async def test_the_handle_does_what_the_emulator_does_from_any_thread():
    with run_emulator(Emulator(record_requests=True)) as emulator:
        emulator.create_table(TABLE_ID, unique_columns=("email",))
        emulator.load(TABLE_ID, iter(ids(4)), values=({"email": str(number)} for number in range(4)))
        emulator.poison(TABLE_ID, ids(1))
        emulator.add_key("another", tables=iter([TABLE_ID]))
        assert (await ask(emulator, by_id(*ids(2)), key="another")).code == 40000
        emulator.revoke_key("another")
        assert (await ask(emulator, by_email("1"), key="another")).code == 40127
        assert (await ask(emulator, by_email("1"))).code == 0
        emulator.faults, emulator.switches = Faults(script=["50000"]), Switches(error_status="http")
        assert (emulator.faults.script, emulator.switches.error_status) == (("50000",), "http")
        assert (await ask(emulator, by_email("2"))).status == 500
        assert emulator.remaining(TABLE_ID) == [*ids(1), *ids(4)[2:]]
        assert emulator.answers == {40000: 1, 40127: 1, 0: 1, 50000: 1}
        with pytest.raises(ValueError, match="is there already"):
            emulator.create_table(TABLE_ID, unique_columns=())


def test_after_its_end_the_handle_says_so_and_no_thread_is_left():
    threads = threading.active_count()
    with run_emulator() as emulator:
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    with pytest.raises(RuntimeError, match="the emulator has ended"):
        emulator.count(TABLE_ID)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(emulator.base_url, timeout=10)


def test_an_emulator_that_cannot_start_raises_where_it_is_asked_for():
    with pytest.raises(SettingsError, match="cannot listen"), run_emulator(Emulator(port=99_999)):
        pass


def test_the_handle_has_every_public_name_of_the_emulator_beyond_its_arguments():
    arguments = {one.name for one in fields(Emulator)}
    public = {name for name in vars(Emulator) if not name.startswith("_")}
    assert public - arguments <= {*vars(RunningEmulator), "base_url"}
