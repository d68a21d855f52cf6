"""An emulator that runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.emulator.server import Emulator


async def serve(emulator: Emulator) -> None:
    """Run *emulator* until SIGINT, SIGTERM or cancellation; print its address and its key, one line each.

    Raises:
        SettingsError: the emulator's file or port cannot be used.

    Example:
        >>> import asyncio
        >>> from contextlib import suppress
        >>> from bulkdelete.emulator import Emulator, serve
        >>> emulator, address = Emulator(), ""
        >>> serving = asyncio.create_task(serve(emulator))
        >>> while not address:
        ...     await asyncio.sleep(0.01)
        ...     with suppress(RuntimeError):  # it does not run yet
        ...         address = emulator.base_url
        emulator at http://127.0.0.1:...
        its key: export BULKDELETE_API_KEY=emulator-key
        >>> _ = serving.cancel(), await asyncio.wait([serving])

    """
    with _told_to_stop() as told:
        async with emulator:
            sys.stdout.write(f"emulator at {emulator.base_url}\n")
            sys.stdout.write(f"its key: export BULKDELETE_API_KEY={emulator.api_key}\n")
            sys.stdout.flush()
            await told.wait()


@contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
