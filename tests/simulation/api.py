"""The API in a simulation: a transport with faults of the dice at every await, and a memory of all that it did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, NotSent
from bulkdelete.exchange import Reply
from tests.api_model import INTERNAL, INVALID, OK
from tests.simulation.pauses import Pauses
from tests.simulation.server_quota import BEYOND, ServerQuota
from tests.simulation.timing import Served

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.loop import Clock, Trace

Ids = tuple[str, ...]
TABLE = "673af861ed69656ac0895b07"
KEY, NEW_KEY = "sk-canary-0123456789", "sk-warbler-9876543210"
MOST_RECORDS = 1000
TIMEOUT_SECONDS = 60.0
LONG_PAUSE_SECONDS = 3600
TOO_LARGE = Reply(413, {}, b"<html>Request Entity Too Large</html>")
OPENING_SECONDS = (0.0, 0.0, 0.0, 0.4)
LATENCIES = (0.0, 0.02, 0.05, 0.05, 0.1, 0.2, 1.0)


def _lost() -> Exception:
    return AnswerLost("the connection broke")


def _said(code: object, status: int = 200, **headers: str) -> Callable[[], Reply]:
    body = orjson.dumps({"code": code, "message": "what the API says"})
    return lambda: Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def _page(status: int, **headers: str) -> Callable[[], Reply]:
    return lambda: Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"<html></html>")


@dataclass(frozen=True)
class Fault:
    """What comes instead of the answer; with *applies* the dice say whether the request was applied all the same."""

    answer: Callable[[], Reply | Exception]
    applies: bool = False
    seconds: float = 0.0
    arrives: bool = True


FAULTS = {
    "refused connection": Fault(lambda: NotSent("no connection"), arrives=False),
    "lost": Fault(_lost, applies=True),
    "timed out": Fault(lambda: AnswerLost("no answer", timed_out=True), applies=True, seconds=TIMEOUT_SECONDS),
    "50000": Fault(lambda: INTERNAL, applies=True),
    "502": Fault(_page(502), applies=True),
    "503 with Retry-After": Fault(_page(503, Retry_After="7")),
    "500 with code 0": Fault(_said(0, 500), applies=True),
    "429": Fault(_page(429)),
    "429 with Retry-After": Fault(_page(429, Retry_After="11")),
    "40008": Fault(_said(40008)),
    "40008 for an hour": Fault(_said(40008, 429, Retry_After=str(LONG_PAUSE_SECONDS))),
    "unknown code": Fault(_said(41234), applies=True),
    "unreadable": Fault(_page(200), applies=True),
    "code false": Fault(_said(code=False), applies=True),
    "code 0.0": Fault(_said(0.0), applies=True),
    "flaky 40000": Fault(lambda: INVALID),
    "slow": Fault(lambda: OK, seconds=25.0),
    "no table": Fault(_said(403106)),
    "no key": Fault(_said(40127, 401)),
    "certificate": Fault(lambda: ConnectionRefusedForGood("the certificate does not verify"), arrives=False),
}
HARD = frozenset({"no table", "no key", "certificate", "unknown code", "40008 for an hour"})
"""Faults that end a run, or may leave a batch unresolved after few attempts."""
UNKNOWN = frozenset({"unknown code", "unreadable", "code false", "code 0.0", "500 with code 0"})
"""Faults of which nobody knows what they mean: such a batch is tried less often."""
MILD_RATE = 0.1


@dataclass
class Api:
    """Deletes what it is asked to, but refuses a request with one of *poisoned*.

    *fault_rate* is the share of requests that one of *faults* strikes. Of more than *most_records* it takes nothing,
    and nobody is to send it more than *most_sent*.
    With *in_part* it deletes the good records of a request that it refuses; with *once* it refuses what is gone.
    """

    clock: Clock
    dice: Random
    trace: Trace
    poisoned: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
    fault_rate: float = 0.0
    most_records: int = MOST_RECORDS
    in_part: bool = False
    once: bool = False
    most_sent: int = MOST_RECORDS
    quota: ServerQuota | None = None
    is_dead: bool = False
    """Whether the client is dead: nothing that it does any more reaches the API."""
    refused_key: str = ""
    """The key that it takes no more."""
    refused_keys: int = 0
    """How often this run came with it."""
    forbidden: frozenset[str] = frozenset()
    broken_rules: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    applied: set[str] = field(default_factory=set)
    acknowledged: set[Ids] = field(default_factory=set)
    refused_singly: set[str] = field(default_factory=set)
    in_flight: list[Ids] = field(default_factory=list)
    pauses: Pauses = field(default_factory=Pauses)
    unsure: set[str] = field(default_factory=set)
    """What was in a request that got no final answer, and may have been applied."""
    struck: set[str] = field(default_factory=set)
    """What was in a request that did not get the answer that was due."""
    served: Served = field(default_factory=lambda: Served(0.0, 0))
    sent_now: set[str] = field(default_factory=set)
    """What this run sent."""

    def begin_run(self, forbidden: frozenset[str]) -> None:
        """A client begins, that must send none of *forbidden*."""
        self.is_dead, self.forbidden = False, forbidden
        self.refused_key, self.refused_keys = "", 0
        self.sent_now = set()
        known = self.served.taken_apart
        self.served = Served(self.clock(), self.most_sent, paused_until=self.pauses.until, taken_apart=known)
        if self.quota is not None:
            self.quota.heard_at = None

    async def post(self, body: bytes, api_key: str, request_id: str, path: str, leaves: Callable[[], object]) -> Reply:
        ids, began = tuple(entry["record_id"] for entry in orjson.loads(body)["delete_data"]), self.clock()
        if opening := self.dice.choice(OPENING_SECONDS):
            await asyncio.sleep(opening)
        if self.is_dead:
            await asyncio.Event().wait()
        leaves()
        self._receive(ids, began)
        name = self.dice.choice(self.faults) if self.faults and self.dice.random() < self.fault_rate else ""
        self.trace.add(f"{len(self.arrivals)}: {len(ids)} from {ids[0]} {name or 'well'}")
        fault = FAULTS.get("no key" if api_key == self.refused_key else name)
        self.refused_keys += api_key == self.refused_key
        arrives = fault is None or fault.arrives
        said: Reply | None = None
        may_apply = arrives
        if arrives:
            self.seen.update(ids)
            self.sent_now.update(ids)
            self.in_flight.append(ids)
        try:
            said = await self._answer(ids, fault, began)
            may_apply = fault is not None and fault.applies and said.body is not BEYOND.body
            return said
        finally:
            if may_apply:  # also where whoever asked is gone, or waits no longer
                self.unsure.update(ids)
            if fault is not None:
                self.struck.update(ids)
            self.served.struck += fault is not None
            self.served.answered(ids, self.clock() - began, well=said is not None and said.body is OK.body)
            if arrives:
                self.in_flight.remove(ids)

    def _receive(self, ids: Ids, began: float) -> None:
        self.arrivals.append(self.clock())
        if pause := self.pauses.broken_by(began, self.clock()):
            self.broken_rules.append(f"a request that began {pause}")
        if not 0 < len(ids) <= min(self.most_sent, MOST_RECORDS):
            self.broken_rules.append(f"a request of {len(ids)} records, where a batch holds {self.most_sent}")
        if not self.forbidden.isdisjoint(ids):
            self.broken_rules.append(f"sent though held or invalid: {sorted(self.forbidden.intersection(ids))}")

    async def _answer(self, ids: Ids, fault: Fault | None, began: float) -> Reply:
        place = None if self.quota is None or (fault and not fault.arrives) else self.quota.take(self.clock())
        await asyncio.sleep(self.dice.choice(LATENCIES))
        if place is not None and place.is_beyond:
            self.served.refused += 1
            if place.was_known(began):
                self.broken_rules.append(f"a request beyond the quota of which answers told: {place}")
            await self._alive()
            return place.told_with(BEYOND, self.clock())
        applies = fault is None or self._applies(fault)
        said = self._delete(ids) if applies else INVALID
        await asyncio.sleep(self.dice.choice(LATENCIES) if fault is None or not fault.seconds else fault.seconds)
        if fault is not None and fault.answer() is not OK:
            said = self._instead(ids, fault)
        await self._alive()
        if isinstance(said, Exception):
            raise said
        if said is OK:
            self.acknowledged.add(ids)
        if said is INVALID and len(ids) == 1:
            self.refused_singly.add(ids[0])
        self._note_pause(said)
        if place is None:
            return said
        self.served.late += place.ends <= self.clock()
        return place.told_with(said, self.clock())

    async def _alive(self) -> None:
        if self.is_dead:
            await asyncio.Event().wait()

    def _note_pause(self, said: Reply) -> None:
        if seconds := said.headers.get("Retry-After"):
            self.pauses.ask(self.clock(), float(seconds))

    def _instead(self, ids: Ids, fault: Fault) -> Reply | Exception:
        said = fault.answer()
        if said is INVALID and len(ids) > self.most_records:
            return TOO_LARGE
        return INTERNAL if said is INVALID and len(ids) == 1 else said  # such a refusal would be a record's fate

    def _applies(self, fault: Fault) -> bool:
        if fault.answer() is INVALID:
            return self.in_part  # one server does alike with all that it refuses
        return fault.answer() is OK or (fault.applies and self.dice.random() < 0.5)

    def _delete(self, ids: Ids) -> Reply:
        if len(ids) > self.most_records:
            return TOO_LARGE
        gone = self.applied if self.once else frozenset()
        refused = [one for one in ids if one in self.poisoned or one in gone]
        if not self.is_dead and (not refused or self.in_part):
            self.applied.update(set(ids).difference(self.poisoned))
        return INVALID if refused else OK

    def lose_client(self) -> None:
        """The client is killed: what is in flight arrives or does not, and nobody hears of it."""
        for ids in self.in_flight:
            if self.dice.random() < 0.5:
                self._delete(ids)
        self.is_dead = True

    def calm_down(self, faults: tuple[str, ...]) -> None:
        """Let nothing strike any more but *faults*, and those seldom."""
        self.faults, self.fault_rate = faults, min(self.fault_rate, MILD_RATE)

    async def close(self) -> None:
        """Nothing to close."""
