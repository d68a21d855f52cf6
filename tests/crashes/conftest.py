from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.crashes.campaign import SEED_VARIABLE, Figures, job, playing_again

if TYPE_CHECKING:
    from collections.abc import Generator

SEED = int(os.environ.get(SEED_VARIABLE, "0"))


@pytest.fixture
async def one():
    """A job under faults, which at the end of the test is resumed until it is done, and is as an uninterrupted one."""
    async with job(Figures(), SEED) as one:
        yield one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that fails say the command that plays it again; the campaign's own parts say it themselves."""
    report = yield
    if report.failed and item.path.name != "test_crashes.py":
        report.sections.append(("again", playing_again("--seed", SEED, "--adversity", item.nodeid)))
    return report
