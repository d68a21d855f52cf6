"""The emulator: an HTTP server on this machine, the tables behind it, and what it has seen."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, closing
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web

from bulkdelete.emulator.database import open_database
from bulkdelete.emulator.deleting import PATH, DeleteEndpoint
from bulkdelete.emulator.faults import Faults
from bulkdelete.emulator.gate import Gate
from bulkdelete.emulator.keys import Keys
from bulkdelete.emulator.limits import Limits
from bulkdelete.emulator.pages import Pages
from bulkdelete.emulator.paging import PAGE_PATH, PageEndpoint
from bulkdelete.emulator.seen import Seen
from bulkdelete.emulator.store import DEFAULT_UNIQUE_COLUMNS, Store
from bulkdelete.emulator.switches import Switches
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from bulkdelete.emulator.endpoint import Endpoint
    from bulkdelete.emulator.seen import LoggedRequest

DEFAULT_KEY: Final = "emulator-key"
"""The key of an emulator that is given no other; no secret."""
LARGEST_BODY_BYTES: Final = 16 * 1024 * 1024
"""A larger body is answered HTTP 413."""
LOGGED_REQUESTS: Final = 10_000
"""So many requests are kept with ``record_requests``: the last ones."""

_LAST_MOMENT_SECONDS: Final = 0.05
_PORTS: Final = 2**16


@dataclass(eq=False)
class Emulator:
    """The API on a port of this machine, while it is entered with ``async with``.

    What is in the file at *path* (tables, records, keys, poison) survives the emulator, also a killed one. *switches*
    say what kind of server it is, *faults* what goes wrong. Both may be set while it runs: other faults number the
    requests anew; other switches keep what was counted. Port 0 takes a free one. *keys* are accepted beside *api_key*,
    which may use every table; each goes with its tables, ``None`` for all. *clock* gives the Unix time in seconds, by
    which limits and the times of records go.

    Raises:
        SettingsError: on entering, the file or the port cannot be used.
        RuntimeError: something of it is used that needs it to run, and it does not.

    Example:
        >>> from bulkdelete.emulator import Emulator
        >>> async with Emulator(record_requests=True) as emulator:
        ...     emulator.create_table(TABLE_ID, unique_columns=["email"])
        ...     emulator.load(TABLE_ID, ids, [{"email": f"{number}@example.com"} for number in range(3)])
        ...     emulator.poison(TABLE_ID, ids[2:])  # each request that holds it is answered 40000
        ...     emulator.add_key("another-key", tables=[TABLE_ID])
        ...     emulator.revoke_key("emulator-key")
        ...     async with BulkDeleter(base_url=emulator.base_url, api_key="another-key") as deleter:
        ...         report = await deleter.delete(TABLE_ID, ids)
        ...     print(emulator.count(TABLE_ID), list(emulator.remaining(TABLE_ID)))
        1 ['541278230707963210']
        >>> emulator.requests, emulator.answers[0], emulator.answers[40000], len(emulator.log)
        (4, 2, 2, 4)

    """

    path: str | Path = ":memory:"
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    keys: Mapping[str, Iterable[str] | None] | None = field(default=None, repr=False)
    _: KW_ONLY
    record_requests: bool = False
    host: str = "127.0.0.1"
    api_key: str = field(default=DEFAULT_KEY, repr=False)
    switches: Switches = field(default_factory=Switches)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        self._seen = Seen(LOGGED_REQUESTS if self.record_requests else 0)
        self._running: _Running | None = None
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            database = opened.enter_context(closing(open_database(self.path)))
            store, keys = Store(database, self.clock), Keys(database)
            keys.add_unless_known(self.api_key)
            for key, tables in (self.keys or {}).items():
                keys.add(key, tables)
            gate = Gate(keys, self._switches_now, lambda: self.faults, self._seen, Limits(self.clock))
            endpoints: dict[str, Endpoint] = {
                PATH: DeleteEndpoint(store, keys, self._switches_now),
                PAGE_PATH: PageEndpoint(store, Pages(database), keys, self._switches_now),
            }
            runner = await self._listen(gate, endpoints, opened)
            self._running = _Running(store, keys, _url(runner))
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running = None
        await self._opened.aclose()

    @property
    def base_url(self) -> str:
        """The address, as in ``http://127.0.0.1:43210``."""
        return self._now.base_url

    @property
    def requests(self) -> int:
        """How many requests were received, for deletes and for pages."""
        return self._seen.requests

    @property
    def answers(self) -> Counter[int | str]:
        """How many requests were answered how: by code, or by one of the words of :class:`LoggedRequest`."""
        return self._seen.answers

    @property
    def log(self) -> list[LoggedRequest]:
        """The last requests, as they were answered; empty unless ``record_requests``."""
        return list(self._seen.log)

    def create_table(self, table_id: str, unique_columns: Iterable[str] = DEFAULT_UNIQUE_COLUMNS) -> None:
        """Make a table; ``ValueError`` where it is there already with other unique columns."""
        self._now.store.create_table(table_id, unique_columns)

    def load(self, table_id: str, ids: Iterable[str], values: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Put records into a table, made where it is missing; *values* go with the *ids* one to one.

        A record that is there already keeps its value, or gets the new one where *values* are given.

        Raises:
            ValueError: *values* are more or fewer than *ids*, or two records share a unique value; nothing is loaded.

        """
        self._now.store.load(table_id, ids, values)

    def poison(self, table_id: str, ids: Iterable[str]) -> None:
        """Make every request that holds any of *ids* 40000."""
        self._now.store.poison(table_id, ids)

    def count(self, table_id: str) -> int:
        """Return how many records are in a table. Raises ``LookupError`` where there is none."""
        return self._now.store.count(table_id)

    def remaining(self, table_id: str) -> Iterator[str]:
        """Give the record ids in a table, ordered as text. Raises ``LookupError`` where there is none."""
        return self._now.store.remaining(table_id)

    def add_key(self, key: str, tables: Iterable[str] | None = None) -> None:
        """Accept *key* for *tables*, ``None`` for every one; elsewhere it is answered 403131."""
        self._now.keys.add(key, tables)

    def revoke_key(self, key: str) -> None:
        """Answer 40127 to *key* from now on."""
        self._now.keys.revoke(key)

    @property
    def _now(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the emulator is not running: use it inside `async with Emulator(...) as emulator`")
        return self._running

    def _switches_now(self) -> Switches:
        return self.switches

    async def _listen(self, gate: Gate, endpoints: Mapping[str, Endpoint], opened: AsyncExitStack) -> web.AppRunner:
        application = web.Application(client_max_size=LARGEST_BODY_BYTES)
        for path, endpoint in endpoints.items():
            application.router.add_post(path, gate.handler(endpoint))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_LAST_MOMENT_SECONDS)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        try:
            _require_port(self.port)
            await web.TCPSite(runner, self.host, self.port).start()
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"the emulator cannot listen on {self.host} port {self.port}: {error}; port 0 takes a free one"
            ) from None
        return runner


def _require_port(port: int) -> None:
    """Raise :class:`OverflowError` unless there can be such a *port*: uvloop would take another one for it."""
    if port not in range(_PORTS):
        raise OverflowError(f"a port is a number from 0 to {_PORTS - 1}")


@dataclass(frozen=True, slots=True)
class _Running:
    store: Store
    keys: Keys
    base_url: str


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
