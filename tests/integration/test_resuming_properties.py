"""Any calls, killed at any moment: what is listed, resumed and pruned ends as calls that nobody killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, LedgerFolder, SourceRefused
from tests.integration.killed_calls import BATCH, INVALID, PERMITS, SETTINGS, TABLE_ID, Call
from tests.properties import often

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WORKERS = 2 * PERMITS  # each has one batch, whose result may not be on disk yet
Process = subprocess.Popen[str]


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    words = [sys.executable, "-m", "tests.integration.killed_calls"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Api:
    """Takes every record; the request numbered *cut*, and before or after it was received, is the client's death."""

    cut: int | None = None
    is_received: bool = False
    requests: int = 0
    client: int = 0
    received: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        is_last = self.requests == self.cut
        self.requests += 1
        if is_last:
            with suppress(ProcessLookupError):
                os.kill(self.client, signal.SIGKILL)
        if not is_last or self.is_received:
            self.received += [entry["record_id"] for entry in body["delete_data"]]
        return web.json_response({"code": 0, "message": "OK"})


async def make(process: Process, api: Api, line: dict[str, object]) -> bool:
    """Make the calls of *line* in a process that may be killed; return whether it was."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()
    api.client = int(process.stdout.readline())
    return (await asyncio.to_thread(process.stdout.readline)).strip() != "0"


async def play(process: Process, folder: Path, calls: list[Call], api: Api, most: int | None) -> None:
    for call in calls:
        call.write(folder)
    application = web.Application()
    application.router.add_post("/{path:.*}", api.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        plain = [asdict(call) for call in calls]
        is_killed = await make(
            process, api, {"folder": str(folder), "base_url": base_url, "calls": plain, "most": most}
        )
        api.cut = None
        await go_on(api, LedgerFolder(folder), calls, base_url, is_killed=is_killed)
    finally:
        await runner.cleanup()


async def go_on(api: Api, folder: LedgerFolder, calls: list[Call], base_url: str, *, is_killed: bool) -> None:
    """Start the service again, and see that everything ends as if it had never been killed."""
    states = {kept.name: kept.state.value for kept in await folder.ledgers()}
    for state in states.values():
        event(state)
    assert set(states.values()) <= ({"complete", "resumable", "never begun"} if is_killed else {"complete"})
    unsent = [call for call in calls if states.get(str(call.number), "never begun") == "never begun"]
    assert not {row for call in unsent for row in call.rows} & set(api.received)
    done = [call for call in calls if states.get(str(call.number)) == "complete"]
    removed = await folder.prune(older_than_seconds=0)
    assert removed == [folder.path_for(str(call.number)) for call in done if not call.invalid]
    async with BulkDeleter(base_url=base_url, api_key="key", settings=SETTINGS) as deleter:
        results = await folder.resume_all(deleter)
        assert [path.stem for path in results] == [name for name, state in states.items() if state != "complete"]
        for call in unsent:
            ledger = folder.path_for(str(call.number))
            assert isinstance(results.get(ledger, SourceRefused()), SourceRefused)
            results[ledger] = await deleter.delete(TABLE_ID, call.records(folder.path), ledger=ledger)
    for call in calls:
        if call not in done:
            report = results[folder.path_for(str(call.number))]
            assert not isinstance(report, Exception), report
            assert (report.acknowledged, report.invalid, report.remaining) == (call.count, call.invalid, 0)
            assert (report.rows, report.ended.value) == (call.count + call.invalid, "complete")
    wanted = {row for call in calls for row in call.rows} - {INVALID}
    assert set(api.received) == wanted
    assert len(api.received) - len(wanted) <= WORKERS * BATCH * is_killed, "more was sent again than workers had"
    rest = [folder.path_for(str(call.number)) for call in calls]
    assert await folder.prune(older_than_seconds=0, with_failures=True) == [one for one in rest if one not in removed]
    assert {path.suffix for path in folder.path.iterdir()} <= {".txt"}


def numbered(calls: list[Call]) -> list[Call]:
    return [replace(call, number=number) for number, call in enumerate(calls)]


CALLS = st.lists(
    st.builds(Call, st.just(0), st.booleans(), st.integers(0, 24), st.integers(0, 1)), min_size=1, max_size=3
).map(numbered)
STREAMED, FROM_FILE = Call(0, is_file=False, count=9, invalid=1), Call(1, is_file=True, count=18, invalid=0)


@settings(max_examples=often(48), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=CALLS,
    cut=st.integers(0, 6),
    is_received=st.booleans(),
    most=st.none() | st.integers(0, 20),
)
@example(calls=[STREAMED], cut=None, is_received=False, most=4)
@example(calls=[STREAMED, FROM_FILE], cut=1, is_received=True, most=None)
@example(calls=[STREAMED, FROM_FILE], cut=5, is_received=False, most=None)
def test_calls_that_are_killed_at_any_moment_end_as_calls_that_are_not(process, calls, cut, is_received, most):
    with TemporaryDirectory() as folder:
        asyncio.run(play(process, Path(folder), calls, Api(cut, is_received), most))
