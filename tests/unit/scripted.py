"""The API at the outer border, by script: what it answers is written in the test, and every request is kept."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bulkdelete import protocol
from bulkdelete.attempts import Attempts
from bulkdelete.calls import Calls
from bulkdelete.credentials import Credentials
from bulkdelete.deleter import Deleter
from bulkdelete.errors import CredentialsError, FatalAnswer, OutageTooLong, PauseTooLong
from bulkdelete.exchange import Reply
from bulkdelete.hub import Hub
from bulkdelete.job import Job
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import Batch, Fate, Filter, Outcome
from bulkdelete.retry import Retry
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable
from bulkdelete.splitting import Suspicion
from bulkdelete.state import State
from bulkdelete.stopping import Stop
from bulkdelete.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bulkdelete.records import Record

TABLE = "673af861ed69656ac0895b07"
KEY = "sk-canary-0123456789"
WALL_CLOCK = 1_795_500_000.0
Answer: TypeAlias = Reply | Exception
Script: TypeAlias = "Callable[[Request], Answer]"


def answer(code: int = 0, message: str = "what the API says", status: int = 200, **headers: str) -> Reply:
    """Return an answer in the documented envelope."""
    body = json.dumps({"code": code, "message": message}).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


OK = answer(0, "OK")
REFUSED = answer(40000, "Invalid parameters")
FAILED = answer(50000, "Internal system error")
NO_TABLE = answer(403106, "Table not found")
NO_KEY = answer(40127, "Authentication failed", 401)
PAUSED = answer(40008, "Requests per minute exceeded")
TOO_LARGE = Reply(413, {}, b"<html>Request Entity Too Large</html>")
BAD_GATEWAY = Reply(502, {}, b"<html>Bad Gateway</html>")


@dataclass(frozen=True)
class Request:
    """One request as the API sees it; ``began`` is the loop's time."""

    number: int
    records: tuple[Record, ...]
    api_key: str
    request_id: str
    began: float
    body: bytes


class ScriptedTransport:
    """Answers after *seconds*, which may depend on the request, what the script says; an exception is raised."""

    def __init__(self, script: Script, seconds: float | Callable[[Request], float] = 0.05) -> None:
        self._script = script
        self._seconds = seconds
        self.requests: list[Request] = []
        self.answers: dict[int, Answer] = {}
        self.in_flight = 0
        self.most_in_flight = 0

    async def post(
        self,
        body: bytes,
        api_key: str,
        request_id: str,
        path: str = protocol.PATH,
        leaves: Callable[[], object] = bool,
    ) -> Reply:
        request = Request(
            len(self.requests), _records(body), api_key, request_id, asyncio.get_running_loop().time(), body
        )
        self.requests.append(request)
        leaves()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._seconds(request) if callable(self._seconds) else self._seconds)
        finally:
            self.in_flight -= 1
        said = self.answers[request.number] = self._script(request)
        if isinstance(said, Exception):
            raise said
        return said

    async def close(self) -> None:
        pass


def _records(body: bytes) -> tuple[Record, ...]:
    plain = json.loads(body)
    assert list(plain) == ["table_id", "delete_data"]
    assert plain["table_id"] == TABLE
    return tuple(
        entry["record_id"] if "record_id" in entry else Filter(*next(iter(entry["filter"].items())))
        for entry in plain["delete_data"]
    )


def one_after_another(*answers: Answer, then: Answer = OK) -> Script:
    """Give *answers* in their order, whatever is asked, and *then* for ever."""
    return lambda request: answers[request.number] if request.number < len(answers) else then


def refusing(bad: Collection[Record]) -> Script:
    """Refuse every request that holds one of *bad*."""
    return lambda request: OK if set(bad).isdisjoint(request.records) else REFUSED


class Keys:
    """A place that keys are read from, one after the other, the last again and again; ``None`` cannot be read."""

    def __init__(self, *keys: str | None) -> None:
        self.keys = list(keys)
        self.reads = 0

    def __call__(self) -> str:
        self.reads += 1
        key = self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        if key is None:
            raise CredentialsError("the key is gone")
        return key


def batch_of(records: int, *, first_row: int = 0, **more: object) -> Batch:
    """Return a batch of plain ids, each the number of its row."""
    rows = range(first_row, first_row + records)
    plain = {"spans": (range(records),), **more}
    return Batch(rows.start, rows.stop, [str(row) for row in rows], rows, b"", **plain)  # type: ignore[arg-type]


def ids(count: int) -> list[str]:
    """Return so many different ids."""
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


class Service:
    """One scripted API with a limiter and a hub for all jobs, as a deleter has them; every event is kept.

    Where it does not *listen*, nobody is told anything.
    """

    def __init__(self, script: Script, seconds: float = 0.05, key=KEY, *, listens: bool = True, **sections) -> None:
        plain = {"batch": {"size": 10}, "source": {"sanity_check": False}, **sections}
        self.settings = Settings.from_mapping({**plain, "flow": {"concurrency": 2, **sections.get("flow", {})}})
        self.transport = ScriptedTransport(script, seconds)
        self.hub = Hub()
        self.limiter = Limiter(self.settings.flow, self._wall_clock, lambda: 0.0, self.hub)
        self.attempts = Attempts(self.transport, self.limiter, Credentials(key), wall_clock=self._wall_clock)
        self.calls = Calls(self.hub)
        self.events: list = []
        if listens:
            self.hub.subscribe(self.events.append)

    @staticmethod
    def _wall_clock() -> float:
        return WALL_CLOCK + asyncio.get_running_loop().time()

    def job(self, records, ledger=None, table: str = TABLE, **order) -> Job:
        """Return the job that deletes *records*."""
        made_out = Order(table, from_iterable(records), ledger, **order)
        return Job(made_out, self.settings, self.attempts, self.limiter, self.calls)

    def of(self, *kinds) -> list:
        """Return the events of these *kinds*."""
        return [event for event in self.events if isinstance(event, kinds)]


class Sending:
    """A deleter, wired as a job wires it, with all that it sends to a scripted API."""

    def __init__(
        self,
        script: Script,
        *,
        key=KEY,
        seconds: float | Callable[[Request], float] = 0.05,
        before: int = 0,
        **sections,
    ) -> None:
        settings = Settings.from_mapping({**sections, "flow": {"concurrency": 16, **sections.get("flow", {})}})
        self.transport = ScriptedTransport(script, seconds)
        self.stop = Stop()
        self.tally = Tally(acknowledged_before=before)
        self.suspicion = Suspicion(settings.splitting, self.tally)
        self.limiter = Limiter(settings.flow, lambda: WALL_CLOCK, lambda: 0.0)
        self.raised: list[Exception] = []
        codes = protocol.code_table(settings.codes)
        self.deleter = Deleter(
            TABLE,
            Attempts(self.transport, self.limiter, Credentials(key), codes, lambda: WALL_CLOCK),
            Retry(settings.retry),
            State(self.stop, self.tally, self.suspicion),
        )

    @property
    def requests(self) -> list[Request]:
        return self.transport.requests

    async def send(self, batch: Batch, *, each: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Return the outcomes of *batch*, which are checked to cover it; what was raised is kept in ``raised``."""
        self.tally.take_in(batch)
        outcomes: list[Outcome] = []
        try:
            async with aclosing(self.deleter.send(batch)) as stream:
                async for outcome in stream:
                    outcomes.append(outcome)
                    self.tally.settle(outcome)
                    each()
        except (FatalAnswer, PauseTooLong, OutageTooLong, CredentialsError) as error:
            self.raised.append(error)
        check_covered(batch, outcomes)
        return outcomes

    async def send_all(self, *batches: Batch, each: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Send *batches* at once."""
        return [
            outcome
            for some in await asyncio.gather(*(self.send(one, each=each) for one in batches))
            for outcome in some
        ]


def check_covered(batch: Batch, outcomes: list[Outcome]) -> None:
    """Hold where the outcomes together cover each open record of *batch* once, each in a contiguous part."""
    index_of = {row: at for at, row in enumerate(batch.rows)}
    covered: list[int] = []
    for outcome in outcomes:
        span = range(index_of[outcome.first_row], index_of[outcome.end_row - 1] + 1)
        assert outcome.batch is batch
        assert outcome.records == len(span)
        assert outcome.whole == (len(span) == len(batch.records))
        assert (outcome.row_fate is not None) == (outcome.fate is Fate.REJECTED)
        covered += span
    assert sorted(covered) == [at for span in batch.spans for at in span]


def rows_of(outcomes: list[Outcome], fate: Fate) -> set[int]:
    """Return the rows of records that have *fate*."""
    parts = [outcome for outcome in outcomes if outcome.fate is fate]
    return {row for part in parts for row in part.batch.rows if part.first_row <= row < part.end_row}
