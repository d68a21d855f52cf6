"""``bulkdelete run``: a file of ids -> their deletion, shown, confirmed, followed, reported."""

from __future__ import annotations

import asyncio
import gc
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkdelete.api import BulkDeleter
from bulkdelete.cli import exits, reporting
from bulkdelete.cli.complaining import complain, message_of
from bulkdelete.cli.confirming import Earlier, confirm, default_ledger, earlier_runs, summary
from bulkdelete.cli.ending import Ending, ending_of
from bulkdelete.cli.options import setting_options, settings_from
from bulkdelete.cli.signals import Signals
from bulkdelete.cli.terminal import harmless
from bulkdelete.credentials import credentials_from
from bulkdelete.errors import BulkDeleteError, SettingsError, SourceRefused
from bulkdelete.progress import Expected, Lines, Silent, following
from bulkdelete.records import Ended
from bulkdelete.sources import first_records, open_source

if TYPE_CHECKING:
    from bulkdelete.progress import Progress
    from bulkdelete.records import Report
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the command talks and what it takes without asking."""

    yes: bool
    allow_empty: bool
    quiet: bool
    json: bool


@click.command("run", short_help="Delete the records that a file names.")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("-c", "--config", metavar="FILE", help="A TOML file; config.example.toml shows every setting.")
@setting_options
@click.option("--yes", is_flag=True, help="Do not ask for the table id to be typed.")
@click.option("--allow-empty", is_flag=True, help="Take an empty source for a job that is done.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", is_flag=True, help="Print the report as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], config: str | None, **given: Any) -> None:  # noqa: ANN401 - click's values
    """Delete the records that SOURCE names from a table: files, directories or globs, or "-", standard input.

    The same command again goes on where an earlier one was stopped or killed. The API key comes from the environment
    variable BULKDELETE_API_KEY, or from api_key_file or api_key_command in the configuration.

    Exit codes: 0 all acknowledged, held or duplicate; 1 rows rejected or invalid; 2 refused; 3 a person is needed;
    75 run it again; 130 and 143 stopped by a signal.
    """
    manner = _Manner(**{name: given.pop(name) for name in ("yes", "allow_empty", "quiet", "json")})
    try:
        ending = _run(settings_from(config, sources, given), manner)
    except BulkDeleteError as error:
        ending = Ending(error=error)
    ctx.exit(_tell(ending, manner))


def _run(settings: Settings, manner: _Manner) -> Ending:
    """Do everything up to the report."""
    _require(settings)
    credentials_from(settings)
    source = open_source(settings.source.path, settings.source)
    ledger = Path(settings.ledger.path or default_ledger(settings.source.path[0], settings.table_id))
    earlier = earlier_runs(ledger)
    _spare_the_collector()
    with asyncio.Runner() as runner:
        first = runner.run(first_records(source)) if source.replayable else None
        if first == [] and not manner.allow_empty and not (earlier and earlier.totals.rows):
            raise SourceRefused(f"{source.name} is empty: if that is meant, use --allow-empty. Nothing was sent")
        if not (manner.quiet and manner.yes):
            click.echo(summary(settings, source, first, ledger, earlier), err=True)
        if earlier is None or not earlier.complete:
            confirm(settings, source, yes=manner.yes)
        return runner.run(_purge(settings, source, ledger, earlier, _progress(quiet=manner.quiet)))


async def _purge(
    settings: Settings, source: Source, ledger: Path, earlier: Earlier | None, progress: Progress
) -> Ending:
    async with BulkDeleter(settings=settings) as deleter:
        job = deleter.job(settings.table_id, source, ledger=ledger)
        task = asyncio.create_task(job.run(), name="bulkdelete job")
        expected = Expected(source)
        if earlier is not None:
            expected = Expected(source, rows_before=earlier.totals.rows, total_rows=earlier.source_rows)
        with Signals(job, task, progress.say) as signals:
            async with following(progress, job, expected):
                await asyncio.wait({task})
    return ending_of(task, job.snapshot(), settings.table_id, ledger, signals.received)


def _progress(*, quiet: bool) -> Progress:
    """Return what suits stderr: a bar on a terminal, lines elsewhere, nothing when *quiet*."""
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    from bulkdelete.cli.bar import Bar  # noqa: PLC0415 - rich, which only a terminal needs

    return Bar()


def _spare_the_collector() -> None:
    """Let the garbage collector pass over what start-up made, and look less often: a sixth of a long job's CPU time."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _require(settings: Settings) -> None:
    missing = []
    if not settings.source.path:
        missing.append("SOURCE (or source.path in the configuration)")
    if not settings.table_id:
        missing.append("--table-id (or table_id in the configuration)")
    if missing:
        raise SettingsError(f"missing: {' and '.join(missing)}; see: bulkdelete run --help. Nothing was sent")


def _tell(ending: Ending, manner: _Manner) -> int:
    """Say how it ended; return the exit code."""
    code = ending.exit_code(allow_empty=manner.allow_empty)
    resume = shlex.join(["bulkdelete", *sys.argv[1:]])
    if ending.error is not None:
        complain(ending.error)
    elif ending.report is not None and (manner.json or not sys.stdout.isatty()):
        _explain(ending.report, code)
    if ending.signal is not None and code >= exits.SIGNAL_BASE:
        click.echo(f"to go on, run the same command again:\n  {harmless(resume, most=8192)}", err=True)
    try:
        click.echo(_printed(ending, manner, resume, code), nl=False)
    except BrokenPipeError:
        pass
    except OSError as error:
        click.echo(f"bulkdelete: the report cannot be printed: {error.strerror}; the ledger has it", err=True)
    return code


def _explain(report: Report, code: int) -> None:
    """Say why a job ended before its time, to those who do not see the report."""
    if report.ended is not Ended.COMPLETE:
        click.echo(f"bulkdelete: {report.ended.value}: {harmless(report.reason, most=1000)}", err=True)
    elif not report.rows and code == exits.REFUSED:
        click.echo("bulkdelete: the source is empty: if that is meant, use --allow-empty", err=True)


def _printed(ending: Ending, manner: _Manner, resume: str, code: int) -> str:
    if ending.report is not None:
        text = reporting.as_json(ending.report, code) if manner.json else reporting.as_text(ending.report, resume)
        return f"{text}\n"
    if manner.json and ending.error is not None:
        return f"{reporting.refusal_as_json(message_of(ending.error), code)}\n"
    return ""
