"""``bulkdelete emulator``: the API itself on this machine, to try things without harm."""

from __future__ import annotations

import ipaddress
import shlex
from typing import TYPE_CHECKING, Any

import click

from bulkdelete.cli import loops, once
from bulkdelete.cli.waiting import interruptible, until_signalled
from bulkdelete.emulator import Config, Emulator, read_config
from bulkdelete.emulator.server import DEFAULT_KEY
from bulkdelete.errors import SettingsError
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import open_source
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkdelete.settings import EventLoop


@click.command("emulator", cls=once.Command)
@click.option("--database", metavar="FILE", default=":memory:", help="A SQLite file that keeps the tables.")
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine only.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--key", default=DEFAULT_KEY, show_default=True, help="The API key that may use every table.")
@click.option("--load", "loads", multiple=True, metavar="TABLE_ID=FILE", help="Fill a table with the ids of a file.")
@click.option("--config", metavar="FILE", help="A TOML file: the kind of server, [switches], and its [faults].")
@loops.loop_option
def command(*, event_loop: EventLoop, **given: Any) -> None:  # noqa: ANN401 - click's values
    """Run an emulator of the API on loopback until Ctrl-C."""
    loops.run(lambda: interruptible(_serve(**given)), event_loop)


async def _serve(  # noqa: PLR0913 - the command's options
    *, database: str, host: str, port: int, key: str, loads: tuple[str, ...], config: str | None
) -> None:
    _require_loopback(host)
    tables = [_table_and_file(load) for load in loads]
    switches, faults = Config() if config is None else read_config(config)
    async with Emulator(database, faults, port, host=host, api_key=key, switches=switches) as emulator:
        click.echo(f"base URL  {emulator.base_url}")
        click.echo(f"API key   export BULKDELETE_API_KEY={shlex.quote(key)}")
        for table_id, file in tables:
            await _load(emulator, table_id, file)
            click.echo(f"table     {harmless(table_id)}: {emulator.count(table_id):,} records")
        click.echo("ready; Ctrl-C ends it")
        await until_signalled()


async def _load(emulator: Emulator, table_id: str, file: str) -> None:
    async for ids in _blocks(file):
        emulator.load(table_id, ids)


async def _blocks(file: str) -> AsyncIterator[list[str]]:
    source = open_source(file, SourceSettings())
    async for rows in source.blocks():
        yield [item for item in rows.items if isinstance(item, str)]


def _table_and_file(load: str) -> tuple[str, str]:
    table_id, equals, file = load.partition("=")
    if not (table_id and equals and file):
        raise SettingsError(f"--load {load}: write it as TABLE_ID=FILE")
    return table_id, file


def _require_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(f"--host {host}: the emulator listens on this machine only, such as 127.0.0.1 or ::1")
