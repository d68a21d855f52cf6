"""``python -m bulkdelete.emulator``: the API on a loopback port until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio

from bulkdelete.emulator import Config, Emulator, read_config, serve
from bulkdelete.errors import SettingsError


def main() -> None:
    """Serve as the command line asks; exit with 2 where it asks for what cannot be."""
    parser = argparse.ArgumentParser(prog="python -m bulkdelete.emulator", description=__doc__)
    parser.add_argument("--database", default=":memory:", help="a SQLite file that survives; default: memory")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; default: a free one")
    parser.add_argument("--config", help="a TOML file with the sections [switches] and [faults]")
    given = parser.parse_args()
    try:
        config = read_config(given.config) if given.config else Config()
        emulator = Emulator(given.database, config.faults, given.port, host=given.host, switches=config.switches)
        asyncio.run(serve(emulator))
    except SettingsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
