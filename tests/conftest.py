from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings

import bulkdelete
from bulkdelete.cli.loops import factory_of
from tests.properties import IN_THE_SUITE, often, try_times
from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

HERE = Path(__file__).parent
UNMEASURED = frozenset(
    {
        *("benchmarks", "cancelling", "crashes", "examples", "flow", "fuzzing", "mutants", "old_ledgers"),
        *("powercuts", "secrets", "simulation", "structure", "wire"),
    }
)
MEASURED = frozenset(f"test_{name}.py" for name in ("demo", "interrupting", "story"))
"""Of the acceptance tests, those that coverage follows."""
SAYING_THE_SAME = frozenset(
    {
        *("test_accepting.py", "test_body_cap.py", "test_channel.py", "test_context_variables.py", "test_deleter.py"),
        *("test_deleter_maintenance.py", "test_deleter_partial.py", "test_emulator_faults.py", "test_engine.py"),
        *("test_engine_caps.py", "test_engine_holds.py", "test_flow.py", "test_hostile_sources.py"),
        *("test_job_canary.py", "test_ledger_sealing.py", "test_ledger_texts.py", "test_planning.py", "test_quotas.py"),
        *("test_quotas_telling.py", "test_retry.py", "test_shared_quotas.py", "test_sources_ending.py"),
        "test_sources_packed.py",
    }
)
"""Of the unit and integration tests, those that take long and reach few branches that others do not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "try each property so many times as often as it asks for"
    parser.addoption("--examples-times", type=float, default=IN_THE_SUITE, metavar="TIMES", help=about)


def pytest_configure(config: pytest.Config) -> None:
    try_times(config.getoption("examples_times"))
    settings.register_profile("bulkdelete", deadline=None, print_blob=True, max_examples=often(60))
    settings.load_profile("bulkdelete")
    config.addinivalue_line("markers", "property: a hypothesis test, which a campaign tries more often")
    config.addinivalue_line("markers", "virtual_time: on an event loop whose time jumps; see tests/virtual_time.py")
    config.addinivalue_line("markers", "both_loops: once on asyncio's event loop, and once on uvloop's")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure no collecting, which takes twice as long where it is followed; what importing runs counts as ever."""
    controller = getattr(session.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if controller is None:
        import_a_share(session.config)
        return (yield)
    for module in pkgutil.walk_packages(bulkdelete.__path__, "bulkdelete."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    controller.pause()
    try:
        import_a_share(session.config)
        return (yield)
    finally:
        controller.resume()


def import_a_share(config: pytest.Config) -> None:
    """Import the test files that are this worker's to compile: all import all of them, in a fresh clone at once."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    files = sorted(HERE.rglob("test_*.py"))[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]
    for file in files:
        with suppress(Exception):  # collecting meets it too, and tells of it
            importlib.import_module(".".join(("tests", *file.relative_to(HERE).with_suffix("").parts)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_property = is_hypothesis_test(getattr(item, "obj", None))  # what only its examples reach, others do not
        if is_property:
            item.add_marker("property")
        if is_property or not is_measured(item.path):
            item.add_marker("no_cover")


def is_measured(path: Path) -> bool:
    """Return whether coverage follows the tests of *path*: others run what those measure, many times."""
    folder = path.parent.name
    if folder in UNMEASURED or path.name in SAYING_THE_SAME:
        return False
    return folder != "acceptance" or path.name in MEASURED


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    if item.get_closest_marker("both_loops") and (uvloop := factory_of("auto")) is not factory_of("asyncio"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _some_commands_are_not_measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does coverage follow their commands into processes of their own."""
    if not is_measured(request.path):
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)
