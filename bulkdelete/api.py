"""What services await and the command line calls: :class:`BulkDeleter`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkdelete import protocol
from bulkdelete.attempts import Attempts
from bulkdelete.calls import Calls
from bulkdelete.credentials import Credentials, credentials_from
from bulkdelete.errors import SettingsError
from bulkdelete.events import Hub
from bulkdelete.holding import hold_sources
from bulkdelete.job import Job
from bulkdelete.limiter import Limiter
from bulkdelete.masking import masked
from bulkdelete.orders import Order
from bulkdelete.resuming import resumed
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable, is_source
from bulkdelete.streaming import Outcomes
from bulkdelete.transport import HttpTransport

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable
    from types import TracebackType
    from typing import Self

    from pydantic import SecretStr

    from bulkdelete.credentials import ReadKey
    from bulkdelete.events import Event
    from bulkdelete.orders import Check
    from bulkdelete.records import Record, Report
    from bulkdelete.sources import Source


class BulkDeleter:
    """One base URL, one key, one set of connections, limits and pauses, in one event loop; share it between calls.

    Args:
        base_url: the API's address, such as ``https://altatech.ai``; default: that of *settings*.
        api_key: the key, or a function, sync or async, that returns it and is called again when the API no longer
            takes it; default: ``BULKDELETE_API_KEY``, or the file or command that *settings* name.
        settings: everything else; :class:`bulkdelete.settings.Settings` documents each.

    Raises:
        SettingsError: a setting is refused.
        CredentialsError: no key is given anywhere.

    Example:
        >>> async def purge(ids):
        ...     async with BulkDeleter(base_url="https://altatech.ai", api_key="...") as deleter:
        ...         report = await deleter.delete("673af861ed69656ac0895b07", ids)
        ...     report.raise_for_failures()

    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | SecretStr | ReadKey | Credentials | None = None,
        settings: Settings | None = None,
    ) -> None:
        api_key = masked(api_key)
        settings = settings or Settings()
        if base_url is not None:
            settings = Settings.from_mapping({**settings.model_dump(), "base_url": base_url})
        self._settings = settings
        self._transport = HttpTransport(settings.base_url, settings.http, settings.flow.ceiling)
        self._hub = Hub()
        self._limiter = Limiter(settings.flow, hub=self._hub)
        if not isinstance(api_key, Credentials):
            api_key = credentials_from(settings) if api_key is None else Credentials(api_key)
        codes = protocol.code_table(settings.codes)
        self._attempts = Attempts(self._transport, self._limiter, api_key, codes)
        self._calls = Calls(self._hub)

    def __repr__(self) -> str:
        if "_limiter" not in vars(self):  # its settings were refused
            return "<BulkDeleter>"
        return f"<BulkDeleter {self._settings.base_url} in flight {self._limiter.in_flight}>"

    @property
    def base_url(self) -> str:
        """The API's address, which holds no secret."""
        return self._settings.base_url

    @property
    def in_flight(self) -> int:
        """Attempts of all its calls on the wire now."""
        return self._limiter.in_flight

    @property
    def limit(self) -> int:
        """How many attempts may be on the wire."""
        return self._limiter.limit

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call *callback* with every :data:`~bulkdelete.events.Event` of all its calls from now on.

        The event loop waits for it: it should do little. What it raises is logged once, and harms no job.

        Returns:
            A function that ends it; calling that again changes nothing.

        Raises:
            TypeError: *callback* cannot be called, or is a coroutine function, which nobody would await.

        Example:
            >>> def tell(event):
            ...     if isinstance(event, OutcomeReached):
            ...         print(event.job, event.outcome.records, event.outcome.fate)
            >>> unsubscribe = deleter.subscribe(tell)  # doctest: +SKIP

        """
        return self._hub.subscribe(callback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the calls that run end, and close the connections.

        Nothing new is sent; what is in flight gets ``flow.cancel_grace_seconds`` to finish, and is unresolved
        otherwise. The calls return their reports, and no other begins.
        """
        await self._calls.close(self._transport.close, self._settings.flow.cancel_grace_seconds)

    async def delete(
        self,
        table_id: str,
        records: Source | Iterable[Record] | AsyncIterable[Record],
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Source | Iterable[Record] | AsyncIterable[Record] | None = None,
        check: Check | None = None,
        **stop: Any,  # noqa: ANN401 - the fields of StopSettings, validated there
    ) -> Report:
        """Delete *records* from a table, at most 1000 a request, and return the account of every row.

        Args:
            table_id: the table.
            records: any sync or async iterable of ``str`` (record ids) and :class:`~bulkdelete.Filter`, or what
                :func:`~bulkdelete.open_source` returns. A list, tuple or set is read in place; any other sync
                iterator is read in a thread of its own, so that it may block.
            ledger: a file that makes the call durable: the same call after a crash, or :meth:`resume`, goes on where
                it was. What cannot be read twice, every plain iterable, is first written whole to ``<ledger>.spool``.
            holds: records that must not be deleted, whatever *records* say, beside those in the files that
                ``settings.holds`` names. They are read whole, and anew for each call, before anything is sent.
            check: where ``settings.canary.records`` is set: an async function that is called with the report once so
                many records were sent, and that returns ``True`` for the job to go on.
            **stop: ``limit``, ``max_failures``, ``max_records``, ``expect`` and ``max_duration_seconds`` in place of
                those of the settings.

        Returns:
            The report; ``report.raise_for_failures()`` raises where rows are rejected, invalid or left over.

        Raises:
            FatalAnswer: the API refused the table, the key or the plan.
            SourceError: the records could not be read to their end.
            SourceChanged: they are not those that the ledger knows.
            LedgerError: the ledger is locked, belongs to another job, or cannot be written.
            SettingsError: *stop* holds what is no setting, or a hold list cannot be used (``HoldsRefused``).

        Each has ``report``, the account so far, where the job had begun. Cancelling stops the reading, gives what is
        in flight ``flow.cancel_grace_seconds``, writes the ledger, and raises ``CancelledError``.

        """
        return await self.job(table_id, records, ledger=ledger, holds=holds, check=check, **stop).run()

    def stream(
        self,
        table_id: str,
        records: Source | Iterable[Record] | AsyncIterable[Record],
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Source | Iterable[Record] | AsyncIterable[Record] | None = None,
        check: Check | None = None,
        **stop: Any,  # noqa: ANN401 - the fields of StopSettings, validated there
    ) -> Outcomes:
        """Delete *records* as :meth:`delete` does, and give what becomes of them as it comes.

        The job runs while the ``async with`` block does, at most a few outcomes ahead of whoever reads them. Leaving
        the block early, with an exception or not, cancels what is left of the job, and nothing of it stays behind.

        Returns:
            An async context manager that is an async iterator of :class:`~bulkdelete.Outcome`; its ``report`` is
            there once it was read to its end, and ``snapshot()`` at any time.

        Raises:
            SettingsError: as :meth:`delete` does; all else that :meth:`delete` raises, the iteration raises.

        Example:
            >>> async def purge(deleter, ids):
            ...     async with deleter.stream("673af861ed69656ac0895b07", ids) as outcomes:
            ...         async for outcome in outcomes:
            ...             print(outcome.fate, len(outcome.which))
            ...     return outcomes.report

        """
        return Outcomes(self.job(table_id, records, ledger=ledger, holds=holds, check=check, **stop))

    def job(
        self,
        table_id: str,
        records: Source | Iterable[Record] | AsyncIterable[Record],
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Source | Iterable[Record] | AsyncIterable[Record] | None = None,
        check: Check | None = None,
        **stop: Any,  # noqa: ANN401 - the fields of StopSettings, validated there
    ) -> Job:
        """Return the job that :meth:`delete` runs, to look at or to stop while it runs."""
        if not isinstance(table_id, str) or not table_id:
            raise SettingsError("table_id must be a text that is not empty; nothing was sent")
        where = None if ledger is None else Path(ledger)
        return self.job_of(Order(table_id, _source(records), where, self._held(holds), check=check), **stop)

    def _held(self, holds: Source | Iterable[Record] | AsyncIterable[Record] | None) -> tuple[Source, ...]:
        return hold_sources(self._settings.holds, () if holds is None else (_source(holds),))

    async def resume(
        self,
        ledger: str | os.PathLike[str],
        *,
        holds: Source | Iterable[Record] | AsyncIterable[Record] | None = None,
        check: Check | None = None,
        **stop: Any,  # noqa: ANN401 - the fields of StopSettings, validated there
    ) -> Report:
        """Go on with the job of *ledger*, as :meth:`delete` with the same records would, and return its report.

        What the job is comes from the ledger alone: its table, its files with their columns, or the copy of its
        records beside the ledger, and ``limit`` (unless 0), ``max_failures``, ``max_records``, ``expect`` and
        ``max_duration_seconds`` of its last run. Everything else is as this deleter has it. Of a job that is complete
        the report is returned, and nothing is sent or read.

        Args:
            ledger: the file that an earlier :meth:`delete`, or the command line, was given.
            holds: the hold list that the earlier call was given beside those of ``settings.holds``; no resume may
                forget one.
            check: as for :meth:`delete`.
            **stop: what shall be otherwise than in the last run.

        Raises:
            SourceRefused: what is left cannot be read again: a file is gone or changed (``SourceChanged``), or the
                call ended before its records were copied whole, and then nothing was ever sent. The message says so:
                call :meth:`delete` again with the records and this ledger.
            LedgerLocked: another process, or another job of this one, goes on with it already.
            LedgerMismatch: it is no ledger, or of another base URL, or its files are not as they were.

        And whatever else :meth:`delete` raises.

        Example:
            >>> async def at_start_up(deleter):
            ...     report = await deleter.resume("erase.db")
            ...     report.raise_for_failures()

        """
        job = await self.resumed_job(ledger, holds=holds, check=check, **stop)
        return await job.run()

    async def resumed_job(
        self,
        ledger: str | os.PathLike[str],
        *,
        holds: Source | Iterable[Record] | AsyncIterable[Record] | None = None,
        check: Check | None = None,
        **stop: Any,  # noqa: ANN401 - the fields of StopSettings, validated there
    ) -> Job:
        """Return the job that :meth:`resume` runs, to look at or to stop while it runs; the ledger is only read yet."""
        held = self._held(holds)
        order, caps = await asyncio.to_thread(resumed, Path(ledger), self._settings, held, check)
        return self.job_of(order, **{**caps, **stop})

    def job_of(self, order: Order, **stop: Any) -> Job:  # noqa: ANN401 - the fields of StopSettings, validated there
        """Return the job of an order that is made out already.

        Raises:
            SettingsError: *stop* holds what is no setting, or a canary is wanted and there is nobody to ask about it.

        """
        settings = self._settings
        if stop:
            settings = Settings.from_mapping({**settings.model_dump(), "stop": {**settings.stop.model_dump(), **stop}})
        order.refuse_unasked_canary(settings)
        return Job(order, settings, self._attempts, self._limiter, self._calls)


def _source(records: Source | Iterable[Record] | AsyncIterable[Record]) -> Source:
    return records if is_source(records) else from_iterable(records)
