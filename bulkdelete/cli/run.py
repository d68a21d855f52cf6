"""``bulkdelete run``: a file of ids -> their deletion, shown, confirmed, followed, reported."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from bulkdelete.api import BulkDeleter
from bulkdelete.cli import exits, invoking, loops, once, plan_files, reporting, talking
from bulkdelete.cli.canary import check_of
from bulkdelete.cli.complaining import INTERRUPTED, complain, message_of, refusal_as_json
from bulkdelete.cli.confirming import Foreseen, confirm, earlier_runs, ledger_of, summary
from bulkdelete.cli.ending import Ending, ending_of
from bulkdelete.cli.options import require, setting_options, settings_from
from bulkdelete.cli.serving import metrics_options, served
from bulkdelete.cli.signals import Signals
from bulkdelete.cli.waiting import WATCHED, interruptible
from bulkdelete.credentials import credentials_from
from bulkdelete.errors import BulkDeleteError, CredentialsError, PlanRefused, SourceRefused
from bulkdelete.holding import hold_sources
from bulkdelete.ledger import sqlite_version, user_name
from bulkdelete.orders import Order
from bulkdelete.progress import Expected, Lines, Silent, following
from bulkdelete.records import Ended
from bulkdelete.sources import estimated_rows, first_records, open_source, stamps
from bulkdelete.terminal import harmless
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.accounting import Snapshot
    from bulkdelete.credentials import Credentials
    from bulkdelete.planning import Plan
    from bulkdelete.progress import Progress
    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the command talks and what it takes without asking.

    ``passing``: what it works on is gone when it has ended, so that nobody can go on. ``metrics_port`` and
    ``metrics_host``: where metrics are served, if they are.
    """

    yes: bool
    allow_empty: bool
    count: bool
    now: bool
    quiet: bool
    json: bool
    metrics_port: int | None
    metrics_host: str
    passing: bool = False


@click.command("run", cls=once.Command)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("-c", "--config", metavar="FILE", help="A TOML file; config.example.toml shows every setting.")
@setting_options
@click.option("--plan", "plan_file", metavar="FILE", help="Send only if what would be deleted is what this plan says.")
@click.option("--plan-digest", metavar="sha256:...", help="Take that plan only if this is its digest.")
@click.option("--count", is_flag=True, help="Ask the API for the table's number of records, before and after.")
@click.option("--now", is_flag=True, help="Begin also before the time that the API asked to come back at.")
@click.option("--yes", is_flag=True, help="Do not ask for the table id to be typed.")
@click.option("--allow-empty", is_flag=True, help="Take an empty source for a job that is done.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", is_flag=True, help="Print the report as one JSON object.")
@metrics_options
@talking.log_options
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], config: str | None, **given: Any) -> None:  # noqa: ANN401 - click's values
    """Delete the records that SOURCE names from a table: files, directories or globs, or "-", standard input.

    The same command again goes on where an earlier one was stopped or killed. The API key comes from the environment
    variable BULKDELETE_API_KEY, or from api_key_file or api_key_command in the configuration. With --plan and without
    -c, everything is as it was when the plan was made, but for options given here, and for api_key_command: what is run
    is for the configuration to say, and no plan keeps it.

    Exit codes: 0 all acknowledged, held or duplicate; 1 rows rejected or invalid; 2 refused; 3 a person is needed;
    75 run it again; 130 and 143 stopped by a signal.
    """
    with talking.logged(given.pop("log_format"), given.pop("log_level")):
        ctx.exit(_run_and_tell(sources, config, given, passing=bool(ctx.obj)))


def _run_and_tell(sources: Sequence[str], config: str | None, given: dict[str, Any], *, passing: bool) -> int:
    said = {one.name: given.pop(one.name) for one in fields(_Manner) if one.name != "passing"}
    manner = _Manner(**said, passing=passing)
    try:
        plan = _plan_of(given.pop("plan_file"), given.pop("plan_digest"))
        settings = settings_from(config, sources, given, None if plan is None else plan.settings)
        ending = _run(settings, manner, plan, _credentials(settings, config, plan))
    except BulkDeleteError as error:
        ending = Ending(error=error)
    return _tell(ending, manner)


def _plan_of(path: str | None, digest: str | None) -> Plan | None:
    if path is None:
        if digest is not None:
            raise PlanRefused(
                "--plan-digest is the digest of a plan: give that too, with --plan FILE. Nothing was sent"
            )
        return None
    return plan_files.read(path, digest)


def _credentials(settings: Settings, config: str | None, plan: Plan | None) -> Credentials:
    require(settings)
    try:
        return credentials_from(settings)
    except CredentialsError as error:
        if plan is None or config is not None:
            raise
        raise CredentialsError(
            f"{error}. A plan keeps no api_key_command, and no api_key_file that was not there when it was made: where "
            "the configuration names one, give that too, with -c"
        ) from None


def _run(settings: Settings, manner: _Manner, plan: Plan | None, credentials: Credentials) -> Ending:
    """Do everything up to the report."""
    source = open_source(settings.source.path, settings.source)
    shown = stamps(source)
    ledger = ledger_of(settings)
    progress = _progress(quiet=manner.quiet)
    check = check_of(settings.canary, progress)
    earlier = earlier_runs(ledger)
    _spare_the_collector()
    with served(manner.metrics_port, manner.metrics_host) as metrics, loops.runner(settings.event_loop) as runner:
        with _interrupts_told(as_json=manner.json):
            runner.run(interruptible(credentials.key(), WATCHED))  # one that cannot be read is known before all else
            first = runner.run(interruptible(first_records(source))) if source.replayable else None
            if first == [] and not manner.allow_empty and not (earlier and earlier.totals.rows):
                raise SourceRefused(f"{source.name} is empty: if that is meant, use --allow-empty. Nothing was sent")
            rows = None if plan is None else plan.rows
            if not (manner.quiet and manner.yes):
                rows = runner.run(interruptible(estimated_rows(source))) if rows is None else rows
                foreseen = Foreseen(first, plan, rows, heeds_told=not manner.now)
                _announce(summary(settings, source, ledger, earlier, foreseen))
            if earlier is None or not earlier.complete:
                confirm(settings, source, yes=manner.yes)
        order = Order(
            settings.table_id,
            source,
            ledger,
            hold_sources(settings.holds),
            decisions=tuple(_decisions(manner, plan)),
            approved=None if plan is None else plan.approved,
            check=check,
            count=manner.count,
            shown=shown,
            heeds_resume_time=not manner.now,
        )
        total = rows if plan is not None else None if earlier is None else earlier.source_rows
        expected = Expected(source, total_rows=total, estimated_rows=rows)
        deleter = BulkDeleter(settings=settings, api_key=credentials)
        if metrics is not None:
            metrics.watch(deleter)
        return runner.run(_purge(deleter, order, expected, progress))


@contextmanager
def _interrupts_told(*, as_json: bool) -> Iterator[None]:
    """Print what interrupts a command before its job as an object too, where that is asked for."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if as_json:
            click.echo(refusal_as_json(INTERRUPTED, exits.of_error(interrupt)))
        raise


def _versions() -> dict[str, str]:
    packages = ("aiohttp", "tenacity", "orjson")
    ours = {"bulkdelete": VERSION, "python": platform.python_version(), "sqlite": sqlite_version()}
    return ours | {package: metadata.version(package) for package in packages}


def _announce(told: dict[str, str]) -> None:
    if talking.is_json():
        if not talking.shows_ids():
            told.pop("first rows")
        talking.say("about to delete", fields={name.replace(" ", "_"): text for name, text in told.items()})
    else:
        talking.say("\n".join(f"  {name:<12}{text}" for name, text in told.items()))


def _decisions(manner: _Manner, plan: Plan | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was decided before the job, for its ledger: by whom, where, and with which versions."""
    by = "--yes" if manner.yes else "the table id was typed"
    yield "confirmation", {"by": by, "user": user_name(), "host": platform.node(), "pid": os.getpid(), **_versions()}
    if plan is not None:
        yield "plan", {"digest": plan.digest, "made_by": plan.made_by, "made_at": plan.made_at}


async def _purge(deleter: BulkDeleter, order: Order, expected: Expected, progress: Progress) -> Ending:
    ledger = order.ledger
    assert ledger is not None  # noqa: S101 - the command line's jobs have one
    async with deleter:
        job = deleter.job_of(order)
        task = asyncio.create_task(job.run(), name="bulkdelete job")
        with Signals(job, task, progress.say) as signals, talking.through(progress.say):
            async with following(progress, job, expected):
                await asyncio.wait({task})
    return ending_of(task, job.snapshot(), order.table_id, ledger, signals.received)


def _progress(*, quiet: bool) -> Progress:
    """Return what suits stderr: a bar on a terminal, lines elsewhere, nothing when *quiet*."""
    if talking.is_json():
        return JsonLines(quiet=quiet)
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    from bulkdelete.cli.bar import Bar  # noqa: PLC0415 - rich, which only a terminal needs

    return Bar()


class JsonLines(Lines):
    """Logs how far the job is, now and then."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self._quiet = quiet

    def say(self, line: str) -> None:
        """Log *line*."""
        talking.say(line)

    def tell(self, now: Snapshot, said: list[str]) -> None:
        """Log *now*, with its numbers."""
        if not self._quiet:
            talking.say(", ".join(said), fields=asdict(now))


def _spare_the_collector() -> None:
    """Let the garbage collector pass over what start-up made, and look less often: a sixth of a long job's CPU time."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _tell(ending: Ending, manner: _Manner) -> int:
    """Say how it ended; return the exit code."""
    code = ending.exit_code(allow_empty=manner.allow_empty)
    resume = invoking.command(*sys.argv[1:])
    if ending.error is not None:
        complain(ending.error)
    elif ending.report is not None and (manner.json or not sys.stdout.isatty()):
        _explain(ending.report, code)
    if ending.signal is not None and code >= exits.SIGNAL_BASE and not manner.passing:
        talking.say(f"to go on, run the same command again:\n  {harmless(resume, most=8192)}")
    sys.stderr.flush()
    try:
        click.echo(_printed(ending, manner, resume, code), nl=False)
    except BrokenPipeError:
        pass
    except OSError as error:
        talking.say(f"bulkdelete: the report cannot be printed: {error.strerror}; the ledger has it")
        code = code or exits.PERSON_NEEDED
    return code


def _explain(report: Report, code: int) -> None:
    """Say why a job ended before its time, to those who do not see the report."""
    if report.ended is not Ended.COMPLETE:
        talking.say(f"bulkdelete: {report.ended.value}: {harmless(report.reason, most=1000)}")
    elif not report.rows and code == exits.REFUSED:
        talking.say("bulkdelete: the source is empty: if that is meant, use --allow-empty")


def _printed(ending: Ending, manner: _Manner, resume: str, code: int) -> str:
    report = ending.report
    if report is not None and manner.passing and (report.remaining or report.ended is not Ended.COMPLETE):
        report = replace(report, ledger=None)
    if report is not None:
        return f"{reporting.as_json(report, code, resume) if manner.json else reporting.as_text(report, resume)}\n"
    if manner.json and ending.error is not None:
        return f"{refusal_as_json(message_of(ending.error), code)}\n"
    return ""
