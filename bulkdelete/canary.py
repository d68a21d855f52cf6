"""The canary of a job: how many records it still has to send, and what came of those that it sent.

It may take several runs: what counts is every record that got its final answer since it began, as long as no run
without a canary came between. Once it is approved of, later runs need none, unless they ask for more: from then on no
approval stands until that is approved of. As long as none stands, a run without one is refused, unless it is of 0
records.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from bulkdelete.errors import LedgerStorageError, SettingsError
from bulkdelete.ledger import is_complete
from bulkdelete.ledger.facts import CANARY, CANARY_BEGAN
from bulkdelete.reports import CanaryCounts

if TYPE_CHECKING:
    from bulkdelete.ledger import Ledger, Totals
    from bulkdelete.tally import Tally


@dataclass(frozen=True, slots=True)
class Approval:
    """That a canary which had *sent* so many records was approved of, and the digest of the *plan* it was under."""

    sent: int
    plan: str = ""

    @classmethod
    def kept_as(cls, fact: str) -> Self | None:
        """Return what a ledger keeps; before there were plans in it, that was the number alone.

        What cannot be read approves of nothing.
        """
        try:
            kept = json.loads(fact)
        except (ValueError, RecursionError):
            return None
        kept = kept if isinstance(kept, dict) else {"sent": kept}
        sent, plan = kept.get("sent"), kept.get("plan", "")
        return cls(sent, plan) if type(sent) is int and isinstance(plan, str) else None

    def stands_for(self, records: int, plan: str) -> bool:
        """Return whether a run need not ask again whose canary is of so many *records*, and whose *plan* is this."""
        return self.sent >= records and plan in {"", self.plan}


class Canary:
    """A canary of *records* that began when so many were *acknowledged* and *rejected*.

    *plan* is the digest of the plan that it is under, and *earlier* the approval of another one, which is not enough.
    """

    def __init__(
        self, records: int, totals: Totals, began: tuple[int, int], plan: str, earlier: Approval | None
    ) -> None:
        self._records = records
        self._acknowledged, self._rejected = began
        self._plan = plan
        self._earlier = earlier
        self.missing = max(0, records - (totals.answered - sum(began)))
        """How many records it still has to send; before none is missing, at least one batch was sent."""

    def came_of(self, sent: int, totals: Totals, tally: Tally) -> CanaryCounts:
        """Return what came of the canary, of which this run *sent* so many records, as *tally* counts them."""
        acknowledged = totals.acknowledged - self._acknowledged
        rejected = totals.rejected - self._rejected
        unresolved = max(0, sent - tally.acknowledged - tally.rejected)
        return CanaryCounts(acknowledged + rejected + unresolved, acknowledged, rejected, unresolved)

    def told(self, came: CanaryCounts, totals: Totals) -> str:
        """Return in words what *came* of the canary, and what of *totals* is none of it."""
        counts = f"{came.acknowledged:,} acknowledged, {came.rejected:,} rejected, {came.unresolved:,} unresolved"
        earlier = "an earlier canary, and what was sent once that was approved"
        more = f"; that is more than {self._records:,}: {earlier}, or a batch that an earlier run cut, is whole"
        others = totals.unresolved - came.unresolved
        before = f"; earlier runs had {self._acknowledged:,} acknowledged and {self._rejected:,} rejected before"
        return "".join(
            (
                f"{came.sent:,} records were sent in the canary ({counts})",
                more if came.sent > self._records else "",
                self._why_again(),
                before if self._acknowledged or self._rejected else "",
                f"; another {others:,} are unresolved since earlier runs" if others else "",
            )
        )

    async def keep(self, ledger: Ledger, came: CanaryCounts, *, approved: bool) -> None:
        """Write to *ledger* whether what *came* of it was *approved*."""
        await ledger.note("canary", approved=approved, **asdict(came))
        if approved:
            await ledger.remember(CANARY, json.dumps(asdict(Approval(came.sent, self._plan))))

    def _why_again(self) -> str:
        if self._earlier is None:
            return ""
        under = " under this plan" if self._earlier.sent >= self._records else ""
        return f"; an earlier canary, of {self._earlier.sent:,}, was approved, but none of {self._records:,}{under}"


async def canary_of(ledger: Ledger, records: int | None, plan: str) -> Canary | None:
    """Return the canary that comes before the rest, of so many *records*; ``None`` where none does.

    *plan* is the digest of the plan that the run has, and empty where it has none.

    Raises:
        SettingsError: nothing is said of one, and that of an earlier run was not approved of.

    """
    began, totals = ledger.facts.get(CANARY_BEGAN), ledger.totals
    approval = Approval.kept_as(ledger.facts.get(CANARY, ""))
    if not records:
        if began and records is None and approval is None and not is_complete(totals, ledger.facts):
            raise SettingsError(
                "an earlier run of this job had a canary that nobody has approved of, and this one has none: the rest "
                "would be sent unasked. Nothing was sent. Give --canary again (in Python: canary.records and check=); "
                "to go on without one, say --canary 0 (canary.records = 0)"
            )
        return None
    if approval is not None and approval.stands_for(records, plan):
        return None
    if not began:
        began = json.dumps([totals.acknowledged, totals.rejected])
        await _remember(ledger, CANARY_BEGAN, began)
    if approval is not None:  # whatever ends this run: the larger canary is one that nobody has approved of
        await _remember(ledger, CANARY, "")
    acknowledged, rejected = json.loads(began)
    return Canary(records, totals, (acknowledged, rejected), plan, approval)


async def _remember(ledger: Ledger, key: str, value: str) -> None:
    with suppress(LedgerStorageError):  # the engine will see it too, and say so
        await ledger.remember(key, value)
