"""What must be true of a ledger, of a report and of what the API saw, at the end of every run and in every image."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.ledger.schema import ACKNOWLEDGED, OPEN, PENDING, SETTLED, UNRESOLVED
from bulkdelete.records import FATES, Ended
from bulkdelete.retry import ATTEMPTS_AT_UNKNOWN
from tests.simulation.api import UNKNOWN
from tests.simulation.scenario import INVALID
from tests.simulation.timing import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkdelete.records import Outcome
    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings
    from tests.simulation.api import Api
    from tests.simulation.scenario import Scenario

DOUBT = "may already be deleted"
SENT_BEFORE = "a request that held it was sent before"
BROKEN_OFF = ((None,), (Ended.CANCELLED.value,))
"""How a run ends that may leave a request in flight."""
FEWEST_WRONG, ENOUGH_WRONG = 5, 10
"""So many records are refused one by one before a file is wrong: where nothing was acknowledged, and where some was."""
ROUNDING_SECONDS = 1e-5


class Batch(NamedTuple):
    """What a ledger says of a range: whether a request may have been applied that got no final answer.

    The next run *will say* so of what the last one may have left in flight.
    """

    first_row: int
    end_row: int
    says: bool
    will_say: bool


@dataclass(frozen=True)
class Image:
    """What a ledger's file says: the fate of each row that it has, the reasons, and each span said to be acknowledged.

    The fate of what is open is ``unresolved``, as it is for everybody who reads the ledger.
    """

    fates: list[str]
    reasons: dict[int, str]
    acknowledged: list[tuple[str, ...]]
    batches: tuple[Batch, ...] = ()

    @property
    def starts(self) -> frozenset[int]:
        """The first row of each batch."""
        return frozenset(batch.first_row for batch in self.batches)


def read(ledger: Path, rows: Sequence[str]) -> Image:
    """Read *ledger* by its documented tables alone."""
    if not ledger.exists():
        return Image([], {}, [])
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        columns = "first_row, end_row, state, ambiguous"
        batches = connection.execute(f"SELECT {columns} FROM batch ORDER BY first_row").fetchall()
        ended = connection.execute("SELECT ended FROM run ORDER BY id DESC LIMIT 1").fetchone()
        parts = connection.execute("SELECT first_row, end_row, fate FROM part ORDER BY first_row").fetchall()
        set_aside = connection.execute("SELECT row, fate, reason, record FROM row").fetchall()
    fates: list[str] = []
    for first_row, end_row, state, _ in batches:
        assert first_row == len(fates) < end_row, f"the ranges have a gap, or overlap, at row {first_row}"
        name = {ACKNOWLEDGED: "acknowledged", PENDING: "pending", SETTLED: "?"}.get(state, "unresolved")
        fates += [name] * (end_row - first_row)
    aside = {row for row, *_ in set_aside}
    for first_row, end_row, fate in parts:
        for row in set(range(first_row, end_row)) - aside:
            assert fates[row] != "acknowledged", f"row {row} is settled twice"
            fates[row] = fate
    for row, fate, _, record in set_aside:
        assert rows[row] == record, f"row {row} is {rows[row]}, and the ledger says {record}"
        fates[row] = fate
    assert "?" not in fates, f"row {fates.index('?')} of a settled batch has no fate"
    spans = [(first, end) for first, end, state, _ in batches if state == ACKNOWLEDGED]
    spans += [(first, end) for first, end, fate in parts if fate == "acknowledged"]
    sent = [tuple(rows[row] for row in range(*span) if row not in aside) for span in spans]
    said = [
        Batch(first, end, bool(says), state == OPEN or (state == UNRESOLVED and ended in BROKEN_OFF))
        for first, end, state, says in batches
    ]
    return Image(fates, {row: reason for row, _, reason, _ in set_aside}, sent, tuple(said))


def check_image(image: Image, scenario: Scenario, api: Api) -> None:
    """What is acknowledged was acknowledged, what is rejected was refused alone, and nothing left without an intent."""
    rows, known = scenario.rows, set(scenario.rows[: len(image.fates)])
    for span in image.acknowledged:
        assert span in api.acknowledged, f"the ledger calls acknowledged what the API did not: {span}"
    assert api.seen <= known, f"sent without an intent in the ledger: {sorted(api.seen - known)}"
    often = Counter(rows)
    for row, fate in enumerate(image.fates):
        if fate == "pending":
            assert rows[row] not in api.seen or often[rows[row]] > 1, f"row {row} is pending, and was sent"
        if fate == "rejected":
            assert rows[row] in api.refused_singly, f"row {row} is rejected, and was never refused alone"
            is_sound = rows[row] not in api.applied or DOUBT in image.reasons[row] or often[rows[row]] > 1
            assert is_sound, f"row {row} is rejected without a doubt, and is deleted"


def check_doubts(image: Image, scenario: Scenario, api: Api, *, was_cut: bool) -> None:
    """What may have been applied by a request without a final answer is known as such, also once it has ended.

    Where no run *was cut*, nothing else is.
    """
    rows, often = scenario.rows, Counter(scenario.rows)
    for batch in image.batches:
        of_batch = rows[batch.first_row : batch.end_row]
        what = f"rows {batch.first_row} to {batch.end_row - 1}"
        if not (batch.says or batch.will_say):
            unsure = [record for record in of_batch if record in api.unsure and often[record] == 1]
            assert not unsure, f"{what}: a request without a final answer held {unsure}, and the ledger says nothing"
        elif batch.says and not was_cut:
            assert not api.struck.isdisjoint(of_batch), f"{what} are in doubt, and each request had its answer"
    for row, reason in image.reasons.items():
        if often[rows[row]] == 1:
            is_doubted = DOUBT in reason or image.fates[row] != "rejected" or rows[row] not in api.unsure
            assert is_doubted, f"row {row} is rejected without a doubt, and an earlier request got no final answer"
            is_told = SENT_BEFORE in reason or image.fates[row] != "held" or rows[row] not in api.seen
            assert is_told, f"row {row} is held, and nothing says that it was sent before"


def check_report(report: Report, image: Image) -> None:
    """The report balances, and is what the ledger says."""
    assert report.balanced, f"the fates do not add up: {report}"
    counted = Counter(image.fates)
    assert report.rows == len(image.fates), f"{report.rows} rows reported, {len(image.fates)} in the ledger"
    for fate in FATES:
        assert getattr(report, fate) == counted[fate], f"{fate}: {getattr(report, fate)} reported, {counted}"


def check_told(report: Report, outcomes: Sequence[Outcome], *, broken_off: bool) -> None:
    """The report of a job without a ledger balances, and is what was told at last of each row.

    Of one that was *broken off*, what was in flight was not told.
    """
    assert report.balanced, f"the fates do not add up: {report}"
    told = {row: outcome.fate.value for outcome in outcomes for row in rows_of(outcome)}
    counted = Counter(told.values())
    assert len(told) == report.rows or broken_off, f"{report.rows} rows reported, and {len(told)} told of"
    for fate in ("acknowledged", "rejected") if broken_off else FATES:
        assert getattr(report, fate) == counted[fate], f"{fate}: {getattr(report, fate)} reported, {counted} told"


def rows_of(outcome: Outcome) -> Sequence[int]:
    """Return the rows that *outcome* is of: those of its records, or one that is never sent."""
    if outcome.row_fate is not None:
        return (outcome.first_row,)
    return [row for row in outcome.batch.rows if outcome.first_row <= row < outcome.end_row]


def check_requests(api: Api, quotas: dict[str, int]) -> None:
    """No rule of what may be sent was broken, and no quota was overrun in any window, wherever it begins."""
    assert not api.broken_rules, api.broken_rules
    check_quotas(api.arrivals, quotas)


def check_quotas(arrivals: Sequence[float], quotas: dict[str, int]) -> None:
    """No quota was overrun in any window, wherever it begins."""
    for unit, limit in quotas.items():
        for at, arrived in enumerate(arrivals):
            since = arrived - WINDOW_SECONDS[unit] + ROUNDING_SECONDS
            requests = at + 1 - bisect_right(arrivals, since)
            assert requests <= limit, f"{requests} requests within a {unit}, at most {limit} are allowed"


def check_given_up(outcomes: Sequence[Outcome], scenario: Scenario, settings: Settings) -> None:
    """What is left unresolved though nothing ended the run was tried as often as the settings say, by itself."""
    most = settings.retry.max_attempts
    if not UNKNOWN.isdisjoint(scenario.faults):
        most = min(most, ATTEMPTS_AT_UNKNOWN)
    for outcome in outcomes:
        if outcome.again and outcome.attempts:
            rows = f"rows {outcome.first_row} to {outcome.end_row - 1}"
            assert outcome.attempts >= most, f"{rows} were given up after {outcome.attempts} of {most} attempts"


def check_bounds(api: Api, limit: int | None, canary: int | None, held: frozenset[str]) -> None:
    """No run sent more than its limit, and nothing left beside a canary of which nobody approved."""
    assert limit is None or len(api.sent_now) <= limit, f"{len(api.sent_now)} sent, where the limit is {limit}"
    sent = len(api.seen - held)  # what is on hold since it was sent makes room for others
    assert canary is None or sent <= canary, f"{sent} sent, before a canary of {canary} is approved"


def check_wrong(scenario: Scenario, api: Api) -> None:
    """A file is called wholly wrong only where that may be asked of it, and enough single records were refused."""
    assert scenario.stops_when_wrong, "a file is called wrong though nobody asks"
    refused = len(api.refused_singly)
    enough = ENOUGH_WRONG if api.acknowledged else FEWEST_WRONG
    assert refused >= enough, f"a file is called wrong after {refused} single records were refused"


def expected(scenario: Scenario, starts: frozenset[int] = frozenset()) -> list[str]:
    """Return the fate that each row must end with, by the documented rules alone; batches also begin at *starts*."""
    fates, batch = [], set()
    for row, record in enumerate(scenario.rows):
        if row in starts or len(batch) == scenario.size:
            batch = set()
        if record in INVALID:
            fates.append("invalid")
        elif record in scenario.held:
            fates.append("held")
        elif record in batch:
            fates.append("duplicate")
        else:
            batch.add(record)
            fates.append("rejected" if record in scenario.poisoned else "acknowledged")
    return fates


def check_same(image: Image, wanted: list[str], scenario: Scenario, api: Api, held_later: frozenset[str]) -> None:
    """Each row ended as it had to, save what came to be on hold on the way, or was gone when it was asked for again."""
    assert len(image.fates) == len(wanted)
    for row, (fate, other) in enumerate(zip(image.fates, wanted, strict=True)):
        record = scenario.rows[row]
        is_doubted = fate == "rejected" and scenario.once and DOUBT in image.reasons[row] and record in api.applied
        is_held_later = fate == "held" and record in held_later
        assert fate == other or is_doubted or is_held_later, f"row {row} is {fate}, and had to be {other}"
