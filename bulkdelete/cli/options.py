"""The options of ``run`` that stand for settings: one table, so that option, setting and help text cannot differ."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import click

from bulkdelete.cli import settings_file
from bulkdelete.cli.once import follows_a_hold_list
from bulkdelete.errors import SettingsError
from bulkdelete.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo

SETTINGS: Final[Mapping[str, str]] = {
    "--table-id": "table_id",
    "--base-url": "base_url",
    "--format": "source.format",
    "--column": "source.column",
    "--filter-column": "source.filter_column",
    "--delimiter": "source.delimiter",
    "--encoding": "source.encoding",
    "--holds-format": "holds.format",
    "--holds-column": "holds.column",
    "--holds-filter-column": "holds.filter_column",
    "--holds-max-age": "holds.max_age_seconds",
    "--ledger": "ledger.path",
    "--synchronous": "ledger.synchronous",
    "--limit": "stop.limit",
    "--max-failures": "stop.max_failures",
    "--max-records": "stop.max_records",
    "--expect": "stop.expect",
    "--max-duration": "stop.max_duration_seconds",
    "--canary": "canary.records",
    "--batch-size": "batch.size",
    "--concurrency": "flow.concurrency",
    "--requests-per-second": "flow.requests_per_second",
    "--requests-per-minute": "flow.requests_per_minute",
    "--requests-per-hour": "flow.requests_per_hour",
    "--requests-per-day": "flow.requests_per_day",
    "--max-outage": "flow.max_outage_seconds",
    "--answer-timeout": "http.answer_timeout_seconds",
    "--max-pause": "flow.max_pause_seconds",
    "--ca-file": "http.ca_file",
    "--event-loop": "event_loop",
}
"""Which setting each option overrides; the help text is the setting's own documentation."""
SWITCHES: Final[Mapping[str, str]] = {
    "--header/--no-header": "source.header",
    "--wait/--no-wait": "flow.wait",
    "--sanity-check/--no-sanity-check": "source.sanity_check",
    "--allow-empty-holds/--no-empty-holds": "holds.allow_empty",
    "--holds-may-shrink/--holds-must-not-shrink": "holds.may_shrink",
    "--holds-sanity-check/--no-holds-sanity-check": "holds.sanity_check",
}
"""The same for settings that are on or off."""


_HOLDS: Final = "holds.path"
_STDIN: Final = "-"
_TAB, _A_TAB = "\\t", "\t"


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of :data:`SETTINGS` and :data:`SWITCHES` to a click command."""
    about = "A list of records that are never sent; may be given several times, and adds to those in the configuration."
    command = click.option("--holds", _parameter(_HOLDS), metavar="FILE", multiple=True, help=about)(command)
    for flags, name in reversed(list(SWITCHES.items())):
        about = _flat(field_of(name).description)
        command = click.option(flags, _parameter(name), default=None, help=about)(command)
    for flag, name in reversed(list(SETTINGS.items())):
        field = field_of(name)
        command = click.option(flag, _parameter(name), type=_type_of(field), help=_flat(field.description))(command)
    return command


def settings_from(
    config: str | None, sources: Sequence[str], given: Mapping[str, Any], planned: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings: the defaults, under the file *config*, under *sources* and the options *given*.

    Without a *config* those of a plan, *planned*, are in its place.

    Raises:
        SettingsError: naming the file and key, or the option, that is refused.

    """
    _refuse_empty(given)
    values = settings_file.load(config) if config is not None else copy.deepcopy(dict(planned or {}))
    Settings.from_mapping(values, "the plan" if config is None else config)
    names = [*SETTINGS.values(), *SWITCHES.values()]
    overrides = {name: given[_parameter(name)] for name in names if given.get(_parameter(name)) is not None}
    if given.get(_parameter(_HOLDS)):
        overrides[_HOLDS] = [*_configured_holds(values), *given[_parameter(_HOLDS)]]
    if sources:
        if values.get("source", {}).get("path") and (told := follows_a_hold_list()):
            raise SettingsError(told)
        overrides["source.path"] = list(sources)
    if overrides.get("source.delimiter") == _TAB:
        overrides["source.delimiter"] = _A_TAB
    for name, value in overrides.items():
        settings_file.put(values, name, value)
    try:
        settings = Settings.from_mapping(values)
    except SettingsError as error:
        raise SettingsError("\n".join(map(_by_option, str(error).splitlines()))) from None
    if settings.canary.check_command and settings.canary.records is None:
        raise SettingsError(
            "canary.check_command: nothing would be checked, as there is no canary. Nothing was sent. Say with "
            "canary.records, or --canary, how many records it has, or take the command out"
        )
    if [*settings.source.path, *settings.holds.path].count(_STDIN) > 1:
        raise SettingsError('standard input, "-", can be read once only, and is named twice. Nothing was sent')
    return settings


def words_of(sources: Sequence[str], given: Mapping[str, Any]) -> list[str]:
    """Return *sources* and the options *given* as the words of a command line."""
    options = [(flag, given.get(_parameter(name))) for flag, name in SETTINGS.items()]
    words = [f"{flag}={_TAB if value == _A_TAB else value}" for flag, value in options if value is not None]
    words += [f"--holds={path}" for path in given.get(_parameter(_HOLDS)) or ()]
    for flags, name in SWITCHES.items():
        on, off = flags.split("/")
        value = given.get(_parameter(name))
        words += [] if value is None else [on if value else off]
    return [*words, *(["--", *sources] if any(path.startswith("-") for path in sources) else sources)]


def require(settings: Settings) -> None:
    """Return if *settings* name a source and a table; raise :class:`SettingsError` where they do not."""
    missing = []
    if not settings.source.path:
        missing.append("SOURCE (or source.path in the configuration)")
    if not settings.table_id:
        missing.append("--table-id (or table_id in the configuration)")
    if missing:
        raise SettingsError(f"missing: {' and '.join(missing)}; see --help. Nothing was sent")


def field_of(name: str) -> FieldInfo:
    """Return pydantic's description of the setting with the dotted *name*."""
    model: Any = Settings
    *sections, last = name.split(".")
    for section in sections:
        model = model.model_fields[section].annotation
    found: FieldInfo = model.model_fields[last]
    return found


def _refuse_empty(given: Mapping[str, Any]) -> None:
    """Raise :class:`SettingsError` where an option is empty: that would mean the default, whatever is configured."""
    empty = [flag for flag, name in SETTINGS.items() if given.get(_parameter(name)) == ""]
    if empty:
        raise SettingsError(
            f"{', '.join(empty)}: the value is empty: perhaps a variable of a shell is not set. Nothing was sent. Name "
            "the value, or leave the option out"
        )


def _configured_holds(values: Mapping[str, Any]) -> list[str]:
    """Return the hold lists of the configuration: an option may add one, and takes none away."""
    paths = values.get("holds", {}).get("path", [])
    return [paths] if isinstance(paths, str) else list(paths)


def _by_option(line: str) -> str:
    name, colon, rest = line.partition(":")
    flag = next((flag for flag, setting in SETTINGS.items() if setting == name), None)
    return f"{flag}{colon}{rest}" if flag else line


class _NumberOrWord(click.ParamType[Any]):
    """A whole number, or one of some *words*."""

    name = "integer"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own form
        """Return the number or the word; anything else is a mistake of the user's."""
        return value if value in self._words else click.INT.convert(value, param, ctx)


def _parameter(name: str) -> str:
    return name.replace(".", "__")


def _type_of(field: FieldInfo) -> click.ParamType[Any]:
    kinds = get_args(field.annotation) or (field.annotation,)
    if get_origin(field.annotation) is Literal:
        return click.Choice(list(map(str, kinds)))
    if int in kinds:
        words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
        return _NumberOrWord(words) if words else click.INT
    return click.FLOAT if float in kinds else click.STRING


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
