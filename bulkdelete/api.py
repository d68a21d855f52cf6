"""What services await and the command line calls: :class:`BulkDeleter`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.holding import hold_sources
from bulkdelete.masking import masked
from bulkdelete.orders import Order
from bulkdelete.resuming import resumed
from bulkdelete.settings import Settings
from bulkdelete.sources import source_of
from bulkdelete.streaming import Outcomes
from bulkdelete.wiring import Shared

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, Unpack

    from pydantic import SecretStr

    from bulkdelete.credentials import Credentials, ReadKey
    from bulkdelete.events import Event
    from bulkdelete.job import Job
    from bulkdelete.orders import Check
    from bulkdelete.reports import Report
    from bulkdelete.settings import StopOptions
    from bulkdelete.sources import Records


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
        >>> async with BulkDeleter(base_url=api.base_url, api_key="emulator-key") as another:
        ...     report = await another.delete(TABLE_ID, ids)
        >>> report.acknowledged, another.base_url == api.base_url, another.limit >= 1, another.in_flight
        (3, True, True, 0)
        >>> await another.aclose()  # which leaving the block has done

    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | SecretStr | ReadKey | Credentials | None = None,
        settings: Settings | None = None,
    ) -> None:
        api_key = masked(api_key)
        self._shared = Shared(settings or Settings(), base_url, api_key)

    def __repr__(self) -> str:
        if "_shared" not in vars(self):  # its settings were refused
            return "<BulkDeleter>"
        return f"<BulkDeleter {self._shared.settings.base_url} in flight {self._shared.limiter.in_flight}>"

    @property
    def base_url(self) -> str:
        """The API's address, which holds no secret."""
        return self._shared.settings.base_url

    @property
    def in_flight(self) -> int:
        """Attempts of all its calls on the wire now."""
        return self._shared.limiter.in_flight

    @property
    def limit(self) -> int:
        """How many attempts may be on the wire."""
        return self._shared.limiter.limit

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call *callback* with every :data:`~bulkdelete.events.Event` of all its calls from now on.

        The event loop waits for it: it should do little. What it raises is logged once, and harms no job.

        Returns:
            A function that ends it; calling that again changes nothing.

        Raises:
            TypeError: *callback* cannot be called, or is a coroutine function, which nobody would await.

        Example:
            >>> seen = []
            >>> unsubscribe = deleter.subscribe(seen.append)
            >>> _ = await deleter.delete(TABLE_ID, ids)
            >>> unsubscribe()
            >>> [type(event).__name__ for event in seen]
            ['JobBegan', 'AttemptEnded', 'OutcomeReached', 'JobEnded']

        """
        return self._shared.hub.subscribe(callback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the calls that run end, and close the connections, as leaving ``async with`` does.

        Nothing new is sent; what is in flight gets ``flow.cancel_grace_seconds`` to finish, and is unresolved
        otherwise. The calls return their reports, and no other begins: that raises :class:`BulkDeleteError`.
        """
        await self._shared.close()

    async def delete(
        self,
        table_id: str,
        records: Records,
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Records | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
    ) -> Report:
        """Delete *records* from a table, at most 1000 a request, and return the account of every row.

        Args:
            table_id: the table.
            records: any sync or async iterable of ``str`` (record ids) and :class:`~bulkdelete.Filter`, a function that
                returns a new one each time, or what :func:`~bulkdelete.open_source` returns. A list, tuple or set is
                read in place; any other sync iterator is read in a thread of its own, so that it may block; the
                process ends no sooner.
            ledger: a file that makes the call durable: the same call after a crash, or :meth:`resume`, goes on where
                it was. What cannot be read twice, every plain iterable, is first written whole to ``<ledger>.spool``;
                a function is called again instead, must give the same records, and :meth:`resume` cannot call it.
                With ``limit=0`` nothing is sent: once the report says ``Ended.LIMIT``, the records are accepted, but
                for a function's: :meth:`resume` sends them, and the ledger takes no others, nor another table.
            holds: records that must not be deleted, whatever *records* say, beside those in the files that
                ``settings.holds`` names. They are read whole, anew for each call, before anything is sent. That they
                are written in another way than *records* is noticed, but for an iterator without a ledger.
            check: where ``settings.canary.records`` is set, and only there: an async function that is called with the
                report once so many records were sent, and that returns ``True`` for the job to go on.
            **stop: ``limit``, ``max_failures``, ``max_records``, ``expect`` and ``max_duration_seconds`` in place of
                those of the settings.

        Returns:
            The report; ``report.raise_for_failures()`` raises where rows are rejected, invalid or left over.

        Raises:
            FatalAnswer: the API refused the table, the key or the plan.
            CredentialsError: the key cannot be read.
            SourceError: the records could not be read to their end.
            SourceChanged: they are not those that the ledger knows.
            LedgerError: the ledger is locked, belongs to another job, or cannot be written.
            SettingsError: *stop* is no setting, a hold list cannot be used, rules for ids or a canary are forgotten, or
                nobody would ask *check*.

        Each has ``report``, the account so far, where the job had begun. Cancelling stops the reading, gives what is
        in flight ``flow.cancel_grace_seconds``, writes the ledger, and raises ``CancelledError``.

        Example:
            >>> report = await deleter.delete(TABLE_ID, ids, ledger="erase.db", holds=ids[2:])
            >>> report.rows, report.acknowledged, report.held, report.ended
            (3, 2, 1, <Ended.COMPLETE: 'complete'>)
            >>> (await deleter.delete(TABLE_ID, lambda: iter(ids), ledger="made-anew.db")).acknowledged
            3

        """
        return await self.job(table_id, records, ledger=ledger, holds=holds, check=check, **stop).run()

    def stream(
        self,
        table_id: str,
        records: Records,
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Records | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
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
            >>> async with deleter.stream(TABLE_ID, ids) as outcomes:
            ...     async for outcome in outcomes:
            ...         print(outcome.fate, len(outcome.which))
            acknowledged 3

        """
        return Outcomes(self.job(table_id, records, ledger=ledger, holds=holds, check=check, **stop))

    def job(
        self,
        table_id: str,
        records: Records,
        *,
        ledger: str | os.PathLike[str] | None = None,
        holds: Records | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
    ) -> Job:
        """Return the job that :meth:`delete` with these arguments runs, to look at or to stop while it runs.

        Raises:
            SettingsError: as :meth:`delete` does; all else, running it raises.
            SourceRefused: *records* are no iterable of records, and no function that returns one.

        Example:
            >>> job = deleter.job(TABLE_ID, ids)
            >>> (await job.run()).acknowledged
            3

        """
        where, held = None if ledger is None else Path(ledger), hold_sources(self._shared.settings.holds, holds)
        return self.job_of(Order(table_id, source_of(records), where, held, check=check), **stop)

    async def resume(
        self,
        ledger: str | os.PathLike[str],
        *,
        holds: Records | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
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
            check: as for :meth:`delete`; it may be given without ``settings.canary.records``, and a job that was left
                at its canary is refused then.
            **stop: what shall be otherwise than in the last run.

        Raises:
            SourceRefused: what is left cannot be read again: a file is gone or changed (``SourceChanged``), a function
                gave the records, or the call ended before they were copied whole, and then nothing was ever sent, nor
                accepted. The message says so: call :meth:`delete` again with the records and this ledger.
            LedgerLocked: another process, or another job of this one, goes on with it already.
            LedgerMismatch: it is no ledger, or of another base URL, or its files are not as they were.
            BulkDeleteError: whatever else :meth:`delete` raises.

        Example:
            >>> (await deleter.delete(TABLE_ID, ids, ledger="erase.db", limit=1)).acknowledged
            1
            >>> (await deleter.resume("erase.db", limit=None)).acknowledged
            3

        """
        return await (await self.resumed_job(ledger, holds=holds, check=check, **stop)).run()

    async def resumed_job(
        self,
        ledger: str | os.PathLike[str],
        *,
        holds: Records | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
    ) -> Job:
        """Return the job that :meth:`resume` runs, to look at or to stop while it runs; the ledger is only read yet.

        Raises what :meth:`resume` does, but for what running it raises.

        Example:
            >>> _ = await deleter.delete(TABLE_ID, ids, ledger="erase.db")
            >>> job = await deleter.resumed_job("erase.db")

        """
        held = hold_sources(self._shared.settings.holds, holds)
        order, caps = await resumed(Path(ledger), self._shared.settings, held, check)
        caps.update(stop)
        return self.job_of(order, **caps)

    def job_of(self, order: Order, **stop: Unpack[StopOptions]) -> Job:
        """Return the job of an order that is made out already, as the command line does; raises as :meth:`job` does."""
        return self._shared.job_of(order, stop)
