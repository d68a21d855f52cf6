"""Before the first delete: what is about to happen, on stderr, and the table id typed by a person."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bulkdelete.cli.asking import bare, forget_typed
from bulkdelete.cli.reporting import duration
from bulkdelete.errors import LedgerMismatch, SettingsError, SourceRefused
from bulkdelete.forecasting import seconds_until_done
from bulkdelete.ledger import read_ledger
from bulkdelete.ledger.facts import SOURCE_ROWS, SPENT
from bulkdelete.quotas import Moment, Quotas
from bulkdelete.records import Defect, Filter
from bulkdelete.sources import FILES, passed_over
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.ledger import Totals
    from bulkdelete.planning import Plan
    from bulkdelete.records import Item
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source


_MOST_FILES_NAMED: Final = 10
_LONGEST_NAME_BYTES: Final = 160
_STDIN: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs left in the ledger; ``source_rows`` is known once the source was read to its end, and had some.

    ``spent`` is what they had spent of the quotas, where they kept that.
    """

    totals: Totals
    source_rows: int | None
    spent: str | None = None

    @property
    def remaining(self) -> int:
        """Rows that were read and are not settled."""
        return self.totals.unresolved + self.totals.pending

    @property
    def settled(self) -> int:
        """Rows that have their final fate."""
        return self.totals.rows - self.remaining

    @property
    def complete(self) -> bool:
        """Whether something was done, and nothing is left to do."""
        return self.source_rows is not None and not self.remaining


def ledger_of(settings: Settings) -> Path:
    """Return the ledger that *settings* name, or the default one.

    Raises:
        SourceRefused: none is named, and the source's own name would be another one at the next run.

    """
    if settings.ledger.path:
        return Path(settings.ledger.path)
    source = settings.source.path[0]
    is_there, lasts = map(os.path.exists, (source, os.path.realpath(source)))  # of a pattern, neither
    if is_there and not lasts and source not in _STDIN:
        raise SourceRefused(
            f"{source} has no path that lasts, as a pipe of the shell has none: a ledger that is named after it would "
            "have another name at the next run, which would begin anew. Nothing was sent. Name the ledger, with "
            "--ledger FILE, or ledger.path in the configuration"
        )
    return default_ledger(source, settings.table_id)


def default_ledger(source: str, table_id: str) -> Path:
    """Return the ledger of a job that names none: ``./<source>.<table_id>.bulkdelete.db``."""
    is_stdin = source == "-" or (source in _STDIN and not Path(os.path.realpath(source)).exists())
    name = "stdin" if is_stdin else re.sub(r"[*?\[\]]", "_", Path(os.path.realpath(source)).name)
    name = os.fsdecode(os.fsencode(name)[:_LONGEST_NAME_BYTES])
    return Path(f"{name}.{re.sub(r'[^A-Za-z0-9._-]', '_', table_id)}.bulkdelete.db")


def earlier_runs(ledger: Path) -> Earlier | None:
    """Return what *ledger* holds, or ``None`` where it is no ledger yet; the job itself refuses what never is one.

    Raises:
        LedgerStorageError: it cannot be read.

    """
    try:
        with read_ledger(ledger) as reader:
            reader.check_if_small()
            facts = reader.facts
            rows = int(facts.get(SOURCE_ROWS, 0))  # that it had none says nothing of what is given now
            return Earlier(reader.totals(), rows or None, facts.get(SPENT))
    except LedgerMismatch:
        return None


def said_of(source: Source) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of *source*: a word for each, and the text."""
    yield "source", f"{source.name}, {_size(source.size_bytes)}"
    yield from _files(source)
    yield "read as", ", ".join(_read_as(source))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of a run beside its ledger: the *first* rows, a plan, or about how many *rows* there are.

    *first* is ``None`` where no row is known before reading. Without *heeds_told* what the API told earlier runs of its
    limits counts for nothing.
    """

    first: Sequence[Item] | None = None
    plan: Plan | None = None
    rows: int | None = None
    heeds_told: bool = True


def summary(
    settings: Settings, source: Source, ledger: Path, earlier: Earlier | None, foreseen: Foreseen
) -> dict[str, str]:
    """Return what is about to happen, by a word for each."""
    first, plan = foreseen.first, foreseen.plan
    lines = [
        ("table", settings.table_id),
        ("base URL", settings.base_url),
        *said_of(source),
        ("holds", ", ".join(settings.holds.path) or "none"),
        *_rules(settings),
        *([] if plan is None else [("plan", f"{plan.records:,} records, made {plan.made_at}, {plan.digest}")]),
        *_forecast(settings, _left(earlier, plan, foreseen.rows), earlier, heeds_told=foreseen.heeds_told),
        ("ledger", f"{ledger}{'' if earlier else ' (new)'}"),
    ]
    if earlier is not None:
        lines.append(("so far", _so_far(earlier)))
    lines.append(("first rows", "not known before it is read" if first is None else ", ".join(_shown(first))))
    return {name: harmless(text, most=1000) for name, text in lines}


def _left(earlier: Earlier | None, plan: Plan | None, rows: int | None) -> int | None:
    """Return about how many rows are left of what the plan, an earlier run or else an estimate of *rows* tells."""
    if earlier is None:
        return rows if plan is None else plan.records
    if plan is not None:
        return max(0, plan.records - earlier.totals.acknowledged - earlier.totals.rejected)
    rows = rows if earlier.source_rows is None else earlier.source_rows
    return None if rows is None else max(earlier.remaining, rows - earlier.settled)


def _forecast(
    settings: Settings, left: int | None, earlier: Earlier | None, *, heeds_told: bool
) -> Iterator[tuple[str, str]]:
    """Say how long about so many rows that are *left* take by the quotas, our own and those that the API told of."""
    if not left or (earlier is not None and earlier.complete):
        return
    requests, now = math.ceil(left / settings.batch.size), Moment(time.time(), time.monotonic())
    spent = None if earlier is None else _spent(settings, earlier, now, heeds_told=heeds_told)
    seconds = seconds_until_done(requests, settings.flow.quotas, spent, now)
    by_quotas = bool(settings.flow.quotas or seconds)
    quotas = f"{duration(seconds)} at least by the quotas" if by_quotas else "no quota is set"
    rows = "rows left" if earlier is not None and earlier.settled else "rows"
    yield "forecast", f"about {left:,} {rows} in {requests:,} requests; {quotas}"


def _spent(settings: Settings, earlier: Earlier, now: Moment, *, heeds_told: bool) -> Quotas | None:
    """Return what earlier runs had spent of the quotas by *now*, if they kept that."""
    if earlier.spent is None:
        return None
    kept: object = None
    with suppress(ValueError):
        kept = json.loads(earlier.spent)
    return Quotas.restored(settings.flow.quotas, None, kept, now, heeds_told=heeds_told)


def _rules(settings: Settings) -> Iterator[tuple[str, str]]:
    """Say where there are rules of what ids look like, and none of them are for this table."""
    if settings.identifiers and settings.table_id not in settings.identifiers:
        yield "identifiers", f"no rules for this table; there are some for {', '.join(settings.identifiers)}"


def confirm(settings: Settings, source: Source, *, yes: bool) -> None:
    """Return once the table id is typed, or where *yes* says that it need not be.

    Raises:
        SettingsError: something else was typed, or nobody is there to type.

    """
    if yes:
        return
    if not source.replayable:
        raise SettingsError(
            "a source that cannot be read twice cannot be shown first: it needs --yes. Nothing was sent"
        )
    if sys.stdin is None or not sys.stdin.isatty():  # closed, or no terminal
        raise SettingsError("no terminal to ask for a confirmation: it needs --yes. Nothing was sent")
    forget_typed()
    question = bare("Type the table id to delete these records: ")
    try:
        typed = click.prompt(question, prompt_suffix="", default="", show_default=False, err=True)
    except click.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        click.echo(err=True)
        typed = ""
    if typed.strip() != settings.table_id:
        raise SettingsError("not confirmed: what was typed is not the table id. Nothing was sent")


def _read_as(source: Source) -> Iterator[str]:
    options = dict(source.identity)
    yield options.pop("kind", "")
    if "column" in options and not options["column"] and not options.get("filter_column"):
        options["column"] = "record_id"
    for name, value in options.items():
        if value and name not in {"max_line_bytes", FILES}:
            yield f"{name.replace('_', ' ')} {value!r}"


def _files(source: Source) -> Iterator[tuple[str, str]]:
    names: list[str] = json.loads(source.identity.get(FILES, "[]"))
    if names:
        more = f" and {len(names) - _MOST_FILES_NAMED} more" if len(names) > _MOST_FILES_NAMED else ""
        yield "files", ", ".join(names[:_MOST_FILES_NAMED]) + more
    if unread := [name for path in source.paths for name in passed_over(path)]:
        more = f" and {len(unread) - _MOST_FILES_NAMED} more" if len(unread) > _MOST_FILES_NAMED else ""
        yield "passed over", ", ".join(unread[:_MOST_FILES_NAMED]) + more


def _so_far(earlier: Earlier) -> str:
    totals = earlier.totals
    done = f"{earlier.settled:,} rows settled, of them {totals.acknowledged:,} acknowledged"
    if earlier.complete:
        return f"everything is done already: {done}. The source is compared with the ledger and nothing is sent"
    unread = "" if earlier.source_rows is not None else ", and what was not read yet"
    return f"{done}; remaining: {earlier.remaining:,} rows{unread}"


def _shown(items: Sequence[Item]) -> Iterator[str]:
    if not items:
        yield "none: the source is empty"
    for item in items:
        if isinstance(item, Defect):
            yield f"(invalid: {item.reason})"
        else:
            yield f"{item.column} = {item.value}" if isinstance(item, Filter) else item


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "of unknown size"
    size, units = float(size_bytes), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:  # noqa: PLR2004 - decimal prefixes
        size /= 1000
        del units[0]
    return f"{size:.1f} {units[0]}" if units[0] != "bytes" else f"{size_bytes} bytes"
