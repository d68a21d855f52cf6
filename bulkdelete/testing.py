"""A pytest fixture for your own tests: the API itself, on a port of this machine, in a thread of its own.

In ``conftest.py``: ``pytest_plugins = ["bulkdelete.testing"]``. Then tests, sync or async, take the fixture
:func:`bulkdelete_emulator`.

Every test has an emulator of its own. For one that lives longer, make a fixture of your own of :func:`run_emulator`.

PYTEST_DONT_REWRITE: a ``conftest.py`` may import from here before pytest does.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

import pytest

from bulkdelete.emulator import Emulator
from bulkdelete.emulator.checks import did_you_mean
from bulkdelete.emulator.config import section_of
from bulkdelete.emulator.store import DEFAULT_UNIQUE_COLUMNS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bulkdelete.emulator import Faults, LoggedRequest, Switches

__all__ = ["RunningEmulator", "bulkdelete_emulator", "run_emulator"]

_MARKER: Final = "bulkdelete_emulator"
_ARGUMENTS: Final = [one.name for one in fields(Emulator) if one.name != "_"]
_P = ParamSpec("_P")
_T = TypeVar("_T")


class RunningEmulator:
    """An emulator that runs in another thread; any thread may use it.

    Its methods and attributes are those of :class:`bulkdelete.emulator.Emulator`, and hold at once. What it returns is
    the caller's own copy.

    Example:
        >>> from bulkdelete.emulator import Faults, Switches
        >>> from bulkdelete.testing import run_emulator
        >>> with run_emulator() as running:
        ...     running.create_table(TABLE_ID, unique_columns=["email"])
        ...     running.load(TABLE_ID, ids)
        ...     running.poison(TABLE_ID, ids[2:])  # each request that holds it is answered 40000
        ...     running.add_key("another-key", tables=[TABLE_ID])
        ...     running.revoke_key("emulator-key")
        ...     running.faults, running.switches = Faults(script=["50000"]), Switches(error_status="http")
        ...     async with BulkDeleter(base_url=running.base_url, api_key="another-key") as deleter:
        ...         report = await deleter.delete(TABLE_ID, ids[:2])
        ...     print(running.count(TABLE_ID), running.remaining(TABLE_ID), running.requests)
        ...     print(running.answers, [request.answer for request in running.log])
        1 ['541278230707963210'] 2
        Counter({50000: 1, 0: 1}) [50000, 0]

    """

    def __init__(self, emulator: Emulator, loop: asyncio.AbstractEventLoop) -> None:
        self._emulator = emulator
        self._loop = loop
        self.base_url: Final = emulator.base_url
        """The address, as in ``http://127.0.0.1:43210``."""
        self.api_key: Final = emulator.api_key
        """The key that may use every table."""

    @property
    def switches(self) -> Switches:
        """The kind of server it is; other ones may be set."""
        return self._emulator.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._do(setattr, self._emulator, "switches", switches)

    @property
    def faults(self) -> Faults:
        """What goes wrong; other ones may be set, and number the requests anew."""
        return self._emulator.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._do(setattr, self._emulator, "faults", faults)

    @property
    def requests(self) -> int:
        """How many requests were received, for deletes and for pages."""
        return self._emulator.requests

    @property
    def answers(self) -> Counter[int | str]:
        """How many requests were answered how: by code, or by a word such as "dropped" or "429"."""
        return self._do(self._emulator.answers.copy)

    @property
    def log(self) -> list[LoggedRequest]:
        """The last requests, as they were answered."""
        return self._do(lambda: self._emulator.log)

    def create_table(self, table_id: str, unique_columns: Iterable[str] = DEFAULT_UNIQUE_COLUMNS) -> None:
        """Make a table; ``ValueError`` where it is there already with other unique columns."""
        self._do(self._emulator.create_table, table_id, list(unique_columns))

    def load(self, table_id: str, ids: Iterable[str], values: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Put records into a table, made where it is missing; *values* go with the *ids* one to one.

        Raises:
            ValueError: *values* are more or fewer than *ids*, or two records share a unique value; nothing is loaded.

        """
        self._do(self._emulator.load, table_id, list(ids), None if values is None else list(values))

    def poison(self, table_id: str, ids: Iterable[str]) -> None:
        """Make every request that holds any of *ids* 40000."""
        self._do(self._emulator.poison, table_id, list(ids))

    def count(self, table_id: str) -> int:
        """Return how many records are in a table. Raises ``LookupError`` where there is none."""
        return self._do(self._emulator.count, table_id)

    def remaining(self, table_id: str) -> list[str]:
        """Return the record ids in a table, ordered as text. Raises ``LookupError`` where there is none."""
        return self._do(lambda: list(self._emulator.remaining(table_id)))

    def add_key(self, key: str, tables: Iterable[str] | None = None) -> None:
        """Accept *key* for *tables*, ``None`` for every one; elsewhere it is answered 403131."""
        self._do(self._emulator.add_key, key, None if tables is None else list(tables))

    def revoke_key(self, key: str) -> None:
        """Answer 40127 to *key* from now on."""
        self._do(self._emulator.revoke_key, key)

    def _do(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call *function* in the emulator's own thread, and return or raise what it does."""

        async def call() -> _T:
            return function(*args, **kwargs)

        if self._loop.is_closed():
            raise RuntimeError("the emulator has ended: use it inside its test, or inside `with run_emulator(...)`")
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


@contextmanager
def run_emulator(emulator: Emulator | None = None) -> Iterator[RunningEmulator]:
    """Run *emulator*, by default one that records its requests, in a thread of its own until the block ends.

    Raises:
        SettingsError: the emulator's file or port cannot be used.

    Example:
        >>> from bulkdelete.emulator import Emulator, Switches
        >>> from bulkdelete.testing import run_emulator
        >>> with run_emulator(Emulator(switches=Switches(requests_per_minute=60))) as running:
        ...     running.load(TABLE_ID, ids)
        ...     print(running.count(TABLE_ID))
        3

    """
    emulator = Emulator(record_requests=True) if emulator is None else emulator
    started: Future[_Started] = Future()
    with ThreadPoolExecutor(1, "bulkdelete emulator") as thread:
        serving = thread.submit(lambda: asyncio.run(_serve(emulator, started)))
        either: list[Future[Any]] = [serving, started]
        wait(either, return_when=FIRST_COMPLETED)
        if serving.done():
            serving.result()
        running, stop = started.result()
        try:
            yield running
        finally:
            stop()
            serving.result()


class _Started(NamedTuple):
    emulator: RunningEmulator
    stop: Callable[[], object]


async def _serve(emulator: Emulator, started: Future[_Started]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    async with emulator:
        started.set_result(_Started(RunningEmulator(emulator, loop), lambda: loop.call_soon_threadsafe(stopped.set)))
        await stopped.wait()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for ``--strict-markers``."""
    config.addinivalue_line("markers", f"{_MARKER}(**arguments): the arguments of bulkdelete.emulator.Emulator")


@pytest.fixture
def bulkdelete_emulator(request: pytest.FixtureRequest) -> Iterator[RunningEmulator]:
    """Run an emulator for one test, as the nearest ``bulkdelete_emulator`` marker says; it records its requests.

    Example:
        >>> import asyncio
        >>> import pytest
        >>> from bulkdelete import BulkDeleter
        >>> from bulkdelete.emulator import Faults
        >>> @pytest.mark.bulkdelete_emulator(faults=Faults(script=["50000"]))  # optional: the arguments of Emulator
        ... def test_a_customer_is_erased(bulkdelete_emulator):
        ...     bulkdelete_emulator.load("673af861ed69656ac0895b07", ["541278230707963208"])
        ...     async def erase():
        ...         async with BulkDeleter(base_url=bulkdelete_emulator.base_url, api_key="emulator-key") as deleter:
        ...             await deleter.delete("673af861ed69656ac0895b07", ["541278230707963208"])
        ...     asyncio.run(erase())
        ...     assert bulkdelete_emulator.count("673af861ed69656ac0895b07") == 0

    """
    marker = request.node.get_closest_marker(_MARKER)
    arguments = {} if marker is None else marker.kwargs
    complaint = _complaint(() if marker is None else marker.args, arguments)
    if complaint:
        pytest.fail(f"@pytest.mark.{_MARKER}: {complaint}", pytrace=False)
    with run_emulator(Emulator(**{"record_requests": True, **arguments})) as emulator:
        yield emulator


def _complaint(unnamed: tuple[object, ...], arguments: Mapping[str, object]) -> str | None:
    if unnamed:
        return f"name each argument, as in faults={unnamed[0]!r}"
    for name in arguments:
        if name not in _ARGUMENTS:
            section = section_of(name)
            hint = f"; write {section}={section.title()}({name}=...)" if section else did_you_mean(name, _ARGUMENTS)
            return f"{name} is no argument of Emulator{hint}"
    return None
