"""``bulkdelete plan``: everything that ``run`` would do, read and screened, and nothing sent."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any, Final

import click

from bulkdelete.cli import exits, invoking, loops, once, plan_files, talking
from bulkdelete.cli.complaining import refuse
from bulkdelete.cli.confirming import default_ledger, said_of
from bulkdelete.cli.options import require, setting_options, settings_from, words_of
from bulkdelete.cli.paths import anywhere
from bulkdelete.cli.reporting import duration
from bulkdelete.cli.waiting import interruptible
from bulkdelete.errors import BulkDeleteError, SourceRefused
from bulkdelete.forecasting import PLANS, Quota, forecast, read_quota
from bulkdelete.holding import hold_sources
from bulkdelete.orders import Order
from bulkdelete.planning import Plan, make_plan
from bulkdelete.records import Fate
from bulkdelete.sources import open_source
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source

_EXAMPLES: Final = 3
_FATES: Final = (
    (Fate.INVALID, "never sent: they cannot be records"),
    (Fate.HELD, "never sent: on a hold list"),
    (Fate.DUPLICATE, "not sent again: already in the same batch"),
)


class _Latency(click.FloatRange):
    """Seconds that an answer may take: more than none, and at most an hour."""

    def __init__(self) -> None:
        super().__init__(0, 3600, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - as click has it
        seconds = float(super().convert(value, param, ctx))
        return self.fail(f"{value} is not a number", param, ctx) if math.isnan(seconds) else seconds


@click.command("plan", cls=once.Command)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("-c", "--config", metavar="FILE", help="A TOML file; config.example.toml shows every setting.")
@setting_options
@click.option("-o", "--output", metavar="FILE", help="Write the plan there, for: bulkdelete run --plan FILE")
@click.option("--quota", "quotas", multiple=True, metavar="N/UNIT", help="Forecast at this quota, such as 1000/hour.")
@click.option("--latency", type=_Latency(), default=0.2, show_default=True, metavar="SECONDS")
@click.option("--allow-empty", is_flag=True, help="Take an empty source for what is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as one JSON object.")
@talking.log_options
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], config: str | None, **given: Any) -> None:  # noqa: ANN401 - click's values
    """Read and screen all that SOURCE holds, and show what run would do; nothing is sent, and no key is needed.

    --latency is how long the API takes for one answer, at most an hour, for the forecast. Exit codes: 0 planned; 2
    refused; 3 a cap (max_records, expect) is passed, and run would send nothing.
    """
    as_json = given["as_json"]
    with talking.logged(given.pop("log_format"), given.pop("log_level")):
        try:
            code = _plan(sources, config, given)
        except BulkDeleteError as error:
            code = refuse(error, as_json=as_json)
        ctx.exit(code)


def _plan(sources: tuple[str, ...], config: str | None, given: dict[str, Any]) -> int:
    own = {name: given.pop(name) for name in ("output", "quotas", "latency", "allow_empty", "as_json")}
    settings = _with_ledger(settings_from(config, sources, given))
    applied = None if own["output"] is None else ["run", "--plan", own["output"]]
    if applied and config is not None:
        applied += ["-c", config, *words_of(sources, given)]
    ours = [Quota(requests, unit) for unit, requests in settings.flow.quotas.items()]
    quotas = [read_quota(quota) for quota in own["quotas"]] or ours or PLANS
    source = open_source(settings.source.path, settings.source)
    order = Order(settings.table_id, source, holds=hold_sources(settings.holds))
    plan = loops.run(lambda: interruptible(make_plan(order, settings)), settings.event_loop)
    told = forecast(plan.batches, settings.flow.ceiling, own["latency"], quotas)
    plan = plan.model_copy(update={"forecast": told})
    if not (plan.rows or own["allow_empty"]):
        raise SourceRefused(f"{source.name} is empty: if that is meant, use --allow-empty. Nothing was sent")
    if own["output"] is not None:
        plan_files.write(plan, own["output"])
    lines = [*_text(plan, settings, source), *_forecast(plan, settings, quotas, own["latency"])]
    click.echo(plan.as_json() if own["as_json"] else "\n".join([*lines, *_next(plan, applied)]))
    return exits.PERSON_NEEDED if plan.passes else exits.DONE


def _with_ledger(settings: Settings) -> Settings:
    """Return *settings* as a plan keeps them: every path absolute, so that it can be applied from anywhere."""
    require(settings)
    ledger = settings.ledger.path or default_ledger(settings.source.path[0], settings.table_id)
    changes = {
        "source": settings.source.model_copy(update={"path": tuple(map(_absolute, settings.source.path))}),
        "holds": settings.holds.model_copy(update={"path": tuple(map(_absolute, settings.holds.path))}),
        "ledger": settings.ledger.model_copy(update={"path": _absolute(ledger)}),
        "http": settings.http.model_copy(update={"ca_file": _absolute(settings.http.ca_file)}),
        "api_key_file": _absolute(settings.api_key_file) if _is_there(settings.api_key_file) else "",
    }
    return settings.model_copy(update=changes)


def _is_there(path: str) -> bool:
    """Return whether *path* names something: what names nothing may be the key itself, and a plan gets passed on."""
    return os.path.exists(path)  # noqa: PTH110 - is no error for a name that is too long


def _absolute(path: str | Path) -> str:
    return str(path) if path in {"", "-"} else anywhere(path)


def _text(plan: Plan, settings: Settings, source: Source) -> Iterator[str]:
    yield f"plan for table {harmless(settings.table_id)} at {settings.base_url}: nothing is sent"
    for name, text in said_of(source):
        yield _line(name, text)
    yield _line("holds", _holds(plan, settings))
    yield f"{'rows':<16}{plan.rows:>13,}"
    yield f"{'  records':<16}{plan.records:>13,}  would be sent"
    for fate, meaning in _FATES:
        rows: int = getattr(plan, fate.value)
        yield f"  {fate.value:<14}{rows:>13,}{f'  {meaning}' if rows else ''}"
        yield from map(_example, plan.set_aside.get(fate.value, [])[:_EXAMPLES])
    yield f"{'batches':<16}{plan.batches:>13,}"
    yield f"{'requests':<16}{plan.batches:>13,}  if nothing has to be tried again"
    yield _line("samples", ", ".join(map(_record, plan.samples)) or "none")
    yield _line("caps", "; ".join(_caps(plan, settings)))
    if plan.passes:
        yield _line("CAP PASSED", plan.passes)
    yield "what decides what is deleted:"
    yield from (f"  {harmless(name)}: {harmless(value, most=1000)}" for name, value in plan.what.items())


def _holds(plan: Plan, settings: Settings) -> str:
    """Return the hold lists, and how much they hold; if none of it is in the source, what that may mean."""
    paths = ", ".join(settings.holds.path)
    if not paths:
        return "none"
    lists = f"{paths}: {plan.on_hold:,} record{'' if plan.on_hold == 1 else 's'}"
    if plan.held or not plan.on_hold:
        return lists
    return f"{lists}, none of it in the source; if some should be, see that both write ids alike"


def _line(name: str, text: str) -> str:
    return f"{name:<16}{harmless(text, most=4096)}".rstrip()


def _example(told: dict[str, Any]) -> str:
    place = f"{told['file']} line {told['line']}" if told["line"] is not None else f"row {told['row']}"
    return harmless(f"      {place}: {_record(told['record'])}: {told['reason']}", most=500)


def _record(record: Any) -> str:  # noqa: ANN401 - as a plan keeps it
    return record if isinstance(record, str) else json.dumps(record.get("filter"))


def _caps(plan: Plan, settings: Settings) -> Iterator[str]:
    counts = {
        "max_records": f" ({plan.records + plan.duplicate:,} rows to send)",
        "expect": f" ({plan.rows - plan.invalid:,} rows with a record)",
    }
    for name in ("max_records", "expect", "max_failures", "limit", "max_duration_seconds"):
        cap = getattr(settings.stop, name)
        if cap is not None:
            yield f"{name} {cap:,}{counts.get(name, '')}"
    if settings.stop.max_records is None and settings.stop.expect is None:
        yield "no cap on the number of records (--max-records, --expect)"


def _forecast(plan: Plan, settings: Settings, quotas: Iterable[Quota], latency_seconds: float) -> Iterator[str]:
    unhindered, *at_quotas = plan.forecast
    without = f"without a quota, with {settings.flow.ceiling} in flight and {duration(latency_seconds)} an answer"
    yield "forecast, without retries:"
    yield f"  {duration(unhindered['seconds'])} {without}"
    for quota, told in zip(quotas, at_quotas, strict=True):
        name = f" ({quota.name})" if quota.name else ""
        yield f"  {duration(told['seconds'])} at {quota}{name}"


def _next(plan: Plan, applied: Sequence[str] | None) -> Iterator[str]:
    yield _line("plan digest", plan.digest)
    if applied is not None:
        yield _line("to apply it", invoking.command(*applied))
