"""What somebody kept of an earlier report, beside the ledger that it is of: its digest and its numbers."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.cli import exits, reporting
from bulkdelete.errors import SettingsError
from bulkdelete.ledger.facts import COUNT_AFTER, COUNT_BEFORE
from bulkdelete.records import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bulkdelete.ledger import Event, Findings, RunRow
    from bulkdelete.ledger.totals import Totals

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_REPORT_BYTES: Final = 16 * 1024 * 1024
_MOST_RUNS: Final = 5
_LONGEST_VALUE: Final = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """The digest of a report, the run that it was made by, where it is known, and all that it says."""

    digest: str
    run: int | None = None
    says: Mapping[str, Any] = field(default_factory=dict)


def kept(digest: str | None, report: Path | None) -> Kept | None:
    """Return what was kept: a *digest*, or the file of a *report*.

    Raises:
        SettingsError: it cannot be read, or is not what it should be.

    """
    if digest is not None and report is not None:
        raise SettingsError("--digest and --report say the same: give one of them")
    if digest is not None:
        if not _DIGEST.fullmatch(digest):
            raise SettingsError("--digest: this is no digest of a report: sha256: and 64 hexadecimal digits")
        return Kept(digest)
    return None if report is None else _from_report(report)


def _from_report(path: Path) -> Kept:
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(_MOST_REPORT_BYTES))
    except OSError as error:
        raise SettingsError(f"{path}: the report cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise SettingsError(f"{path}: this is no report of run --json, which is one JSON object") from None
    values = values if isinstance(values, dict) else {}
    digest, run = values.get("ledger_digest"), values.get("ledger_run")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise SettingsError(f"{path}: this report has no ledger_digest to compare with")
    return Kept(digest, run if type(run) is int else None, values)


def problems_of(kept: Kept, found: Findings, events: Sequence[Event]) -> Iterator[str]:
    """Yield what does not fit between the report and the ledger as it was *found*, with its *events*.

    Where later runs changed the ledger, only what it keeps of the report's own run can be compared.
    """
    unchanged = found.digest == kept.digest
    if not unchanged:
        yield _changed(kept, found)
    run = next((run for run in found.runs if unchanged or run.id == kept.run), None)  # the last run comes first
    expected: dict[str, Any] = {"table_id": found.facts.get("identity.table_id")}
    if run is not None:
        expected |= _of_run(run, events)
    if unchanged and run is not None and found.totals is not None:
        expected |= {"ledger_run": run.id, "batches": found.totals.batches}
        expected |= reporting.totals_as_dict(found.totals)
        expected |= {} if run.id > 1 else {"settled_before": 0}
        yield from _counted_by_the_api(kept, found)
        yield from _settled_before(kept, found)
        yield from _exit_code(kept, run, found.totals)
    for name, value in expected.items():
        if name in kept.says and not _is_same(kept.says[name], value):
            yield _differs(name, kept.says[name], _said(value))


def _of_run(run: RunRow, events: Sequence[Event]) -> dict[str, Any]:
    """Return what the ledger keeps of *run*; nothing of what a killed one left out."""
    known: dict[str, Any] = {"ended": run.ended, "requests": run.requests, "retries": run.retries}
    for event in events:
        if event.run == run.id and event.kind == "canary":
            known["canary"] = {name: value for name, value in event.detail.items() if name != "approved"}
    return {name: value for name, value in known.items() if value is not None}


def _counted_by_the_api(kept: Kept, found: Findings) -> Iterator[str]:
    for name in (COUNT_BEFORE, COUNT_AFTER):
        said, counted = kept.says.get(name), found.facts.get(name)
        if said is not None and (type(said) is not int or str(said) != counted):
            yield _differs(name, said, f"{int(counted):,}" if counted and counted.isdecimal() else "none")


def _settled_before(kept: Kept, found: Findings) -> Iterator[str]:
    totals = found.totals
    said = kept.says.get("settled_before", 0)
    if totals is not None and len(found.runs) > 1:
        most = totals.rows - totals.unresolved - totals.pending
        if type(said) is not int or not 0 <= said <= most:
            yield _differs("settled_before", said, f"at most {most:,}")


def _exit_code(kept: Kept, run: RunRow, totals: Totals) -> Iterator[str]:
    """Compare the exit code of a job that came to its end; what else ends one may have come from outside."""
    if run.ended == Ended.COMPLETE and "exit_code" in kept.says:
        left = totals.unresolved + totals.pending
        failed = exits.FAILED_ROWS if totals.rejected or totals.invalid else exits.DONE
        code = exits.RUN_AGAIN if left else failed
        said = kept.says["exit_code"]
        if not _is_same(said, code) and (totals.rows or said != exits.REFUSED):  # an empty source may be refused
            yield _differs("exit_code", said, f"{code}")


def _is_same(said: object, value: object) -> bool:
    return type(said) is type(value) and said == value


def _differs(name: str, said: object, held: str) -> str:
    return f"the report says {name} {_said(said)}, and the ledger {held}: the report was changed"


def _said(value: object) -> str:
    return f"{value:,}" if type(value) is int else json.dumps(value)[:_LONGEST_VALUE]


def _changed(kept: Kept, found: Findings) -> str:
    """Return in words that the ledger is not the one that *kept* was made of, and what may have changed it by right."""
    changed = f"the ledger was changed since that report was made: its digest is {found.digest or 'not to be had'}"
    if kept.run is None:
        return f"{changed}. Every later run changes it by right; {_told(found.runs) or 'none is on record'}"
    later = [run for run in found.runs if run.id > kept.run]
    if later:
        return f"{changed}. That report is of run {kept.run}, and a later run changes it by right: {_told(later)}"
    return f"{changed}. That report is of run {kept.run}, and no run began after it: something else changed the ledger"


def _told(runs: Sequence[RunRow]) -> str:
    told = [f"run {run.id} began {_local(run.started_ms)} and ended {run.ended or 'by a kill'}" for run in runs]
    more = f", and {len(runs) - _MOST_RUNS} before them" if len(runs) > _MOST_RUNS else ""
    return ", ".join(told[:_MOST_RUNS]) + more


def _local(unix_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_ms / 1000))
