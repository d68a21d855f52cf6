"""Another call of the deleter that runs a job: on a table of its own, without a ledger, behind the same limiter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from bulkdelete.job import Job
from bulkdelete.orders import Order
from bulkdelete.records import Ended
from bulkdelete.settings import CanarySettings
from bulkdelete.sources import from_iterable
from tests.simulation import oracle
from tests.simulation.api import MILD_RATE, Api

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.attempts import Attempts
    from bulkdelete.calls import Calls
    from bulkdelete.exchange import Reply
    from bulkdelete.limiter import Limiter
    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings
    from bulkdelete.transport import Transport
    from tests.simulation.scenario import Blow, Scenario

OTHER_TABLE = "673af861ed69656ac0895b08"
FIRST_ID = 641_278_230_707_963_208


class Tables:
    """One transport for the tables of one API."""

    def __init__(self, tables: dict[str, Transport]) -> None:
        self._tables = tables

    async def post(self, body: bytes, api_key: str, request_id: str, path: str, leaves: Callable[[], object]) -> Reply:
        table = self._tables[orjson.loads(body)["table_id"]]
        return await table.post(body, api_key, request_id, path, leaves)

    async def close(self) -> None:
        """Nothing to close."""


class Neighbour:
    """Goes on, and comes to its end, whatever befalls the job of *api*; or something befalls it."""

    def __init__(self, scenario: Scenario, api: Api) -> None:
        dice = scenario.dice("neighbour")
        self.rows = [str(FIRST_ID + 41 * number) for number in range(dice.randrange(1, 6 * scenario.size + 2))]
        poisoned = frozenset(row for row in self.rows if dice.random() < 0.03)
        self._scenario = scenario
        self.api = Api(
            api.clock,
            scenario.dice("neighbour api"),
            api.trace,
            poisoned,
            scenario.mild_faults,
            min(scenario.fault_rate, MILD_RATE),
            most_sent=scenario.size,
            quota=api.quota,
            pauses=api.pauses,
        )
        self._other = api
        self._arrived_before = len(api.arrivals)
        self._job: Job | None = None
        self._befell: Blow | None = None
        self.call: asyncio.Task[Report] | None = None

    def transport(self, table: str) -> Tables:
        """Return what posts to both tables."""
        return Tables({table: self._other, OTHER_TABLE: self.api})

    def prepare(self, settings: Settings, attempts: Attempts, limiter: Limiter, calls: Calls) -> None:
        """Make its job, of what it shares with the other."""
        splitting = settings.splitting.model_copy(update={"stop_when_wholly_wrong": False})
        settings = settings.model_copy(update={"canary": CanarySettings(), "splitting": splitting})
        self.api.begin_run(frozenset())
        self._job = Job(Order(OTHER_TABLE, from_iterable(self.rows), None), settings, attempts, limiter, calls)

    def begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[Report]:
        assert self._job is not None
        self.call = loop.create_task(self._job.run())
        return self.call

    def befall(self, blow: Blow) -> None:
        """Let *blow* befall it, where it still runs."""
        assert self._job is not None
        assert self.call is not None
        if self.call.done():
            return
        self._befell = blow
        if blow.act == "cut":
            self.api.lose_client()
        if blow.act == "stop":
            self._job.stop("enough")
        elif blow.act in {"cut", "cancel"}:
            self.call.cancel()

    def check(self) -> None:
        """Its account is true, it kept all rules, also with the other; and unless it was struck, it is complete."""
        assert self.call is not None
        struck = self._befell.act if self._befell is not None else "none"
        assert self.call.cancelled() == (struck in {"cut", "cancel"}), f"{struck}, and the neighbour: {self.call}"
        report = self._report()
        api = self.api
        if struck == "none":
            left = len(self.rows) - len(api.poisoned)
            assert report.ended is Ended.COMPLETE, report
            assert (report.acknowledged, report.rejected) == (left, len(api.poisoned)), report
            assert api.applied == set(self.rows) - api.poisoned
        elif report is not None:
            assert struck != "stop" or report.ended in {Ended.SIGNAL, Ended.COMPLETE}, report
            assert report.balanced, report
            assert report.acknowledged <= len({record for ids in api.acknowledged for record in ids}), report
            assert report.pending <= len(self.rows) - len(api.seen), report
        oracle.check_requests(api, {})
        arrivals = sorted(self._other.arrivals[self._arrived_before :] + api.arrivals)
        oracle.check_quotas(arrivals, self._scenario.quotas)

    def _report(self) -> Report | None:
        assert self.call is not None
        try:
            return self.call.result()
        except asyncio.CancelledError as error:
            return getattr(error, "report", None)
