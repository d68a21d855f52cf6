"""``bulkdelete verify``: whether a ledger holds together, is as its report says, and is that of its source."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bulkdelete.cli import exits, once, reporting
from bulkdelete.cli.comparing import compare, names_of
from bulkdelete.cli.complaining import refuse
from bulkdelete.cli.kept_reports import kept, problems_of
from bulkdelete.cli.waiting import interruptible
from bulkdelete.errors import BulkDeleteError, LedgerLocked, LedgerStorageError, SettingsError, SourceError
from bulkdelete.ledger import read_ledger
from bulkdelete.records import FATES
from bulkdelete.resuming import open_again
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.cli.kept_reports import Kept
    from bulkdelete.ledger import Event, Findings, LedgerReader


@dataclass(frozen=True, slots=True)
class _Verified:
    """What verifying came to; ``as_reported`` is ``None`` where no digest was given."""

    ledger: Path
    found: Findings
    source_checked: bool
    as_reported: bool | None

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.found.problems.count

    @property
    def exit_code(self) -> int:
        """The exit code of the process."""
        return exits.DONE if self.ok else exits.PERSON_NEEDED


@click.command("verify", cls=once.Command)
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--source", "sources", multiple=True, metavar="PATH", help="Compare every row with this source, too.")
@click.option("--digest", metavar="sha256:HEX", help="The ledger_digest of a report: was the ledger changed since?")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="The same, of a saved report in JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(ledger: Path, sources: tuple[str, ...], digest: str | None, report: Path | None, *, as_json: bool) -> None:
    """Check what the file LEDGER holds: its ranges, states, parts, rows, runs and totals. Nothing is written.

    Exit codes: 0 everything holds; 3 something does not, and a person is needed; 2 refused; 75 the job is running.
    """
    try:
        verified = _verify(ledger, sources, kept(digest, report))
    except BulkDeleteError as error:
        code = refuse(error, as_json=as_json)
    else:
        code = verified.exit_code
        click.echo(json.dumps(_as_dict(verified)) if as_json else "\n".join(_lines(verified)))
    click.get_current_context().exit(code)


def _verify(ledger: Path, sources: Sequence[str], report: Kept | None) -> _Verified:
    with read_ledger(ledger) as reader:
        _refuse_running(reader)
        found = reader.check()
        as_reported = None if report is None else found.digest == report.digest
        for problem in () if report is None else problems_of(report, found, _events(reader)):
            found.problems.add(problem)
        source_checked = bool(sources) and _compare(reader, sources, found)
        _refuse_running(reader)
    return _Verified(ledger, found, source_checked, as_reported)


def _events(reader: LedgerReader) -> list[Event]:
    """Return the events; none where they cannot be read, which was found fault with already."""
    with suppress(LedgerStorageError, ValueError, TypeError):
        return reader.events()
    return []


def _refuse_running(reader: LedgerReader) -> None:
    pid = reader.running()
    if pid is not None:
        raise LedgerLocked(
            f"{reader.path}: the job is running, process {pid or 'unknown'}, and what the ledger holds is changing. "
            "Nothing was written; verify it again when the job has ended, or look at it with: bulkdelete status"
        )


def _compare(reader: LedgerReader, sources: Sequence[str], found: Findings) -> bool:
    """Compare the source; return whether it was there to be compared.

    Raises:
        SettingsError: it cannot be opened, and that is not because of what the ledger says of it.
        SourceRefused: the same.

    """
    try:
        source = open_again(found.facts, sources[0] if len(sources) == 1 else sources)
    except (SourceError, SettingsError) as error:
        if not found.problems.count:
            raise SettingsError(f"the source cannot be read again: {error}") from None
        found.problems.add(f"the source cannot be read again: {error}")
        return False
    names = names_of(found.facts, _events(reader))
    asyncio.run(interruptible(compare(reader, source, found.facts, found.problems, names)))
    return True


def _as_dict(verified: _Verified) -> dict[str, Any]:
    found = verified.found
    totals = {} if found.totals is None else reporting.totals_as_dict(found.totals)
    return {
        "ledger": str(verified.ledger),
        "ok": verified.ok,
        "problems": [harmless(problem, most=2000) for problem in found.problems.shown],
        "problem_count": found.problems.count,
        "source_checked": verified.source_checked,
        "as_reported": verified.as_reported,
        "ledger_digest": found.digest,
        "table_id": found.facts.get("identity.table_id", ""),
        "runs": len(found.runs),
        "batches": None if found.totals is None else found.totals.batches,
        **totals,
        "exit_code": verified.exit_code,
    }


def _lines(verified: _Verified) -> Iterator[str]:
    found = verified.found
    yield _line("ledger", str(verified.ledger))
    yield _line("table", found.facts.get("identity.table_id", ""))
    if found.totals is not None:
        yield _line("rows", f"{found.totals.rows:,} in {found.totals.batches:,} batches, {len(found.runs):,} runs")
        for fate in FATES:
            yield _line(f"  {fate}", f"{getattr(found.totals, fate):,}")
    yield _line("digest", found.digest or "not to be had")
    yield _line("report", _REPORTED[verified.as_reported])
    yield _line("source", _SOURCE[verified.source_checked])
    yield _line("verdict", "everything holds" if verified.ok else _counted(found.problems.count))
    for problem in found.problems.shown:
        yield f"  - {harmless(problem, most=2000)}"
    if found.problems.count > len(found.problems.shown):
        yield f"  - and {found.problems.count - len(found.problems.shown):,} more"


_REPORTED: Final = {
    None: "not compared; give --digest or --report to know whether the ledger was changed since",
    True: "the ledger is as it was when that report was made",
    False: "the ledger was changed since that report was made",
}
_SOURCE: Final = {
    False: "not looked at; give --source PATH to compare every row with its digest",
    True: "read again and compared, row by row",
}


def _counted(problems: int) -> str:
    things = "1 thing does not hold" if problems == 1 else f"{problems:,} things do not hold"
    return f"{things}: keep the file as it is, and have a person look at it"


def _line(name: str, text: str) -> str:
    return f"{name:<16}{harmless(text, most=4096)}".rstrip()
