from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings

import bulkdelete
from bulkdelete.cli.loops import factory_of
from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

UNMEASURED = frozenset(
    {
        *("benchmarks", "cancelling", "crashes", "examples", "flow", "fuzzing", "mutants", "old_ledgers"),
        *("powercuts", "secrets", "simulation", "structure", "wire"),
    }
)
MEASURED = frozenset(f"test_{name}.py" for name in ("demo", "interrupting", "story"))
"""Of the acceptance tests, those that coverage follows."""
LENGTHY = frozenset(
    {
        "test_a_batch_spans_at_most_100_000_rows_and_ends_there_even_without_a_record",
        "test_a_body_holds_each_character_of_unicode_as_orjson_writes_it",
        "test_a_call_that_is_killed_at_any_step_leaves_what_was_accepted",
        "test_a_first_call_that_is_killed_at_any_step_may_be_made_again_and_is_only_resumed_once_it_is_accepted",
        "test_a_job_goes_on_where_a_server_that_deletes_what_it_refuses_refuses_batch_after_batch",
        "test_a_server_of_any_kind_is_used_and_not_run_over",
        "test_a_server_that_finds_single_records_too_large_ends_the_job_soon_and_rejects_none",
        "test_a_server_that_tells_only_when_it_refuses_is_used_well",
        "test_a_suspicious_batch_may_be_left_but_never_wrongly_judged",
        "test_a_text_of_any_length_is_soon_looked_through",
        "test_any_single_changed_cell_changes_the_digest",
        "test_cancelled_at_any_step_it_raises_with_an_account_of_all_that_was_sent",
        "test_every_set_of_refused_records_is_found_exactly_each_by_its_own_request",
        "test_no_wake_up_is_lost_in_any_order_of_five_actions_around_a_cancellation",
        "test_one_wholly_refused_batch_in_a_good_file_is_found_to_its_last_record_in_one_run",
        "test_the_counts_of_a_reader_always_balance_while_a_job_writes",
        "test_the_snapshot_of_a_day_of_many_requests_is_small_and_stays_so_over_restarts",
        "test_what_a_process_without_limits_leaves_behind_is_small",
        "test_who_always_has_something_to_send_uses_98_percent_of_a_quota",
        "test_without_a_date_a_skew_of_up_to_a_second_is_allowed_for",
    }
)
"""Tests that reach again and again what shorter ones reach too, and take twice as long where coverage follows."""
settings.register_profile("bulkdelete", deadline=None, print_blob=True, max_examples=25)
settings.load_profile("bulkdelete")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: on an event loop whose time jumps; see tests/virtual_time.py")
    config.addinivalue_line("markers", "both_loops: once on asyncio's event loop, and once on uvloop's")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure no collecting, which takes twice as long where it is followed; what importing runs counts as ever."""
    controller = getattr(session.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if controller is None:
        return (yield)
    for module in pkgutil.walk_packages(bulkdelete.__path__, "bulkdelete."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    controller.pause()
    try:
        return (yield)
    finally:
        controller.resume()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_property = is_hypothesis_test(getattr(item, "obj", None))  # what only its examples reach, others do not
        if is_property or not is_measured(item.path) or getattr(item, "originalname", "") in LENGTHY:
            item.add_marker("no_cover")


def is_measured(path: Path) -> bool:
    """Return whether coverage follows the tests of *path*: others run what those measure, many times."""
    folder = path.parent.name
    return folder not in UNMEASURED and (folder != "acceptance" or path.name in MEASURED)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    if item.get_closest_marker("both_loops") and (uvloop := factory_of("auto")):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _some_commands_are_not_measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does coverage follow their commands into processes of their own."""
    if not is_measured(request.path):
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)
