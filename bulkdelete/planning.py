"""A plan: what a job would do, read and screened whole, nothing sent; and the file that it is applied by."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bulkdelete.errors import PlanRefused, SourceRefused
from bulkdelete.ledger import user_name
from bulkdelete.looking import compare, look
from bulkdelete.orders import Approved, guards_of, what_is_deleted
from bulkdelete.preparing import CapPassed, check_caps, screen_of
from bulkdelete.records import Filter
from bulkdelete.settings import MAX_RECORDS_PER_REQUEST
from bulkdelete.surveying import survey
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkdelete.orders import Order
    from bulkdelete.records import Record, RowFate
    from bulkdelete.settings import Settings
    from bulkdelete.surveying import Survey

_COUNTS: Final = ("rows", "records", "invalid", "held", "duplicate", "batches")
MOST_PLAN_BYTES: Final = 16 * 1024 * 1024
"""A larger file is no plan."""


class Plan(BaseModel):
    """What a job would do. Counts are rows unless named otherwise; ``batches`` are also the requests if all goes well.

    ``what`` decides which records are deleted, and must be the same when the plan is applied; ``guards`` may not be
    weaker then; ``settings`` are all others too, without any key. ``rows_digest`` stands for every row as it was
    screened. ``held`` rows are on hold, by lists of ``on_hold`` records. ``passes`` says which cap the source passes;
    where it is empty, none. ``forecast`` is a statement and nothing that is compared; the digest covers it as it covers
    all that can be read in the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bulkdelete_plan: Literal[1] = 1
    made_at: str
    made_by: str
    version: str
    what: dict[str, str]
    guards: dict[str, Any]
    settings: dict[str, Any]
    rows: int
    records: int
    invalid: int
    held: int
    on_hold: int
    duplicate: int
    batches: int
    rows_digest: str
    samples: list[Any]
    set_aside: dict[str, list[dict[str, Any]]]
    passes: str
    forecast: list[dict[str, Any]] = []

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of all the rest: whoever changes a plan changes it."""
        return f"sha256:{hashlib.sha256(_canonical(self.model_dump())).hexdigest()}"

    @property
    def approved(self) -> Approved:
        """What must be so still when the plan is applied."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return Approved(self.what, self.guards, counts, self.settings["batch"]["size"], self.digest)

    def as_json(self) -> str:
        """Return the plan as the text of a plan file."""
        return json.dumps({**self.model_dump(), "digest": self.digest}, indent=2)

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Self:
        """Return the plan in a plan file; *name* is what errors call it.

        Raises:
            PlanRefused: it is no plan, or was changed since it was made.

        """
        try:
            values = json.loads(data, object_pairs_hook=_without_repetitions)
            digest = values.pop("digest")
            plan = cls.model_validate(values)
            size = plan.settings["batch"]["size"]
            is_whole = type(size) is int and 1 <= size <= MAX_RECORDS_PER_REQUEST
            found = plan.digest
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError, ValidationError):
            raise PlanRefused(f"{name} is no plan that this bulkdelete made. Nothing was sent") from None
        if not is_whole:
            raise PlanRefused(f"{name} is no plan that this bulkdelete made: it has no batch size. Nothing was sent")
        if digest != found:
            raise PlanRefused(
                f"{name} was changed after it was made: its digest is {found}, and it says {digest}. Nothing was "
                "sent. Make a new plan"
            )
        return plan


async def make_plan(order: Order, settings: Settings) -> Plan:
    """Return the plan of *order*: its source and its hold lists are read whole, and nothing is sent.

    Raises:
        SourceRefused: the source can be read only once, or its ids look like another column.
        SourceError: it cannot be read to its end.
        HoldsRefused: a hold list cannot be used.

    """
    if not order.source.replayable:
        raise SourceRefused(
            f"{order.source.name} can be read only once: what is planned could not be compared with what is sent. "
            "Nothing was sent. Write it to a file, and plan that"
        )
    content = await order.source.fingerprint()
    screen, held = await screen_of(order, settings)
    await look(order.source, settings)
    await compare(held, order.source, settings, settings.identifiers.get(order.table_id))
    found = await survey(order.table_id, order.source, settings.batch, screen)
    return Plan(
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        made_by=f"{user_name()}@{platform.node()}",
        version=VERSION,
        what=what_is_deleted(order, settings, content, held.digest),
        guards=guards_of(settings),
        settings=settings.model_dump(mode="json", exclude={"api_key_command"}),
        rows=found.rows,
        records=found.records,
        invalid=found.invalid,
        held=found.held,
        on_hold=len(held),
        duplicate=found.duplicate,
        batches=found.batches,
        rows_digest=found.digest,
        samples=[_plain(record) for record in found.samples],
        set_aside={fate: list(map(_told, rows)) for fate, rows in found.set_aside.items()},
        passes=_cap_passed(found, settings),
    )


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of *pairs*; raise ``ValueError`` where readers may differ on which of two values is meant."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key occurs twice")
    return values


def _cap_passed(found: Survey, settings: Settings) -> str:
    try:
        check_caps(found.counted, settings.stop)
    except CapPassed as passed:
        return str(passed)
    return ""


def _plain(record: Record) -> Any:  # noqa: ANN401 - a text, or an object
    return {"filter": {record.column: record.value}} if isinstance(record, Filter) else record


def _told(row_fate: RowFate) -> dict[str, Any]:
    return {
        "row": row_fate.row,
        "reason": row_fate.reason,
        "record": _plain(row_fate.record),
        "file": row_fate.file,
        "line": row_fate.line,
    }


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
