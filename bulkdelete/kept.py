"""The ledgers of a directory, looked at one by one: what each says of its job, and whether it can go on by itself."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bulkdelete import beside
from bulkdelete.errors import BulkDeleteError, LedgerStorageError, SettingsError
from bulkdelete.ledger import Totals, schema, without_a_trace
from bulkdelete.ledger.lock import holder
from bulkdelete.ledger.resting import log_of
from bulkdelete.resuming import known_of, source_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

    from bulkdelete.resuming import Known

SUFFIX: Final = ".db"
_PLAIN: Final = frozenset(string.ascii_lowercase + string.digits + "-_")
_MOST_NAME_BYTES: Final = 200
"""255 are a name's most on nearly every file system, and the longest name beside a ledger has 20 more than its own."""
_COUNTS: Final = tuple(name for name in Totals._fields if name != "batches")
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 72
_SQLITE_ID: Final = slice(68, 72)


class LedgerState(StrEnum):
    """What a ledger is like that was just looked at.

    Example:
        >>> folder = LedgerFolder(".")
        >>> _ = await deleter.delete(TABLE_ID, ids, ledger=folder.path_for("customer/42"))
        >>> [kept.state for kept in await folder.ledgers()]
        [<LedgerState.COMPLETE: 'complete'>]

    """

    COMPLETE = "complete"
    """Every row has its final fate."""
    RESUMABLE = "resumable"
    """Rows may be left, and the ledger alone is enough to go on with them."""
    RUNNING = "running"
    """A process goes on with it now."""
    NEVER_BEGUN = "never begun"
    """Nothing was ever sent, or accepted, and the records are not kept: the call must be made again with them."""
    NO_SOURCE = "no source"
    """Rows are left, or were accepted, and what they are read from is gone: put it back, or make the call again."""
    DAMAGED = "damaged"
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class KeptLedger:
    """What a ledger of a :class:`LedgerFolder` says of its job; counts are rows, over all runs so far.

    ``name`` is what ``LedgerFolder.path_for`` was given; of other files their own name. ``why`` says in words what is
    in the way of going on, and is empty where nothing is. ``last_ended`` is how the last run ended, a value of
    :class:`bulkdelete.Ended`, and ``None`` where it was killed or runs still; ``last_reason`` says why.

    Example:
        >>> folder = LedgerFolder(".")
        >>> _ = await deleter.delete(TABLE_ID, ids, ledger=folder.path_for("customer/42"), limit=1)
        >>> [kept] = await folder.ledgers()
        >>> kept.name, str(kept.state), kept.rows, kept.acknowledged, kept.remaining, kept.last_ended
        ('customer/42', 'resumable', 1, 1, 0, 'limit')

    """

    path: Path
    name: str
    state: LedgerState
    why: str
    changed_unix_seconds: float
    table_id: str = ""
    base_url: str = ""
    rows: int = 0
    acknowledged: int = 0
    rejected: int = 0
    invalid: int = 0
    held: int = 0
    duplicate: int = 0
    unresolved: int = 0
    pending: int = 0
    last_ended: str | None = None
    last_reason: str = ""

    @property
    def remaining(self) -> int:
        """Rows that running again may still settle; rows that were not read yet are not among them."""
        return self.unresolved + self.pending


def ledgers_in(folder: Path, stop: Event) -> Iterator[KeptLedger]:
    """Yield what the ledgers in *folder* say, in the order of their names, until *stop* is set; nothing is written.

    Raises:
        LedgerStorageError: *folder* cannot be read.

    """
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    except OSError as error:
        raise _unreadable(folder, error) from None
    for name in sorted(names):
        if stop.is_set():
            return
        path = folder / name
        was_one = name.endswith(SUFFIX) and name + beside.LOCK in names  # also where not a byte is left of it
        if not name.endswith(beside.WRITTEN_WITH_IT) and (was_one or _is_ledger(path)):
            found = look_at(path)
            if found is not None:
                yield found


def look_at(path: Path) -> KeptLedger | None:
    """Return what the ledger at *path* says; ``None`` where it is gone by now.

    Raises:
        LedgerStorageError: the folder that it lies in cannot be read.

    """
    try:
        changed = changed_unix_seconds(path)
        try:
            is_running = holder(path) is not None
            known = without_a_trace(path, known_of)
        except BulkDeleteError as error:
            path.stat()  # perhaps it was pruned meanwhile
            return KeptLedger(path, name_of(path), LedgerState.DAMAGED, str(error), changed)
        return _told(known, path, changed, is_running=is_running)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path.parent, error) from None


def changed_unix_seconds(path: Path) -> float:
    """Return when the ledger at *path* was last written to."""
    return max(path.stat().st_mtime, log_of(path)[1])


def file_name(name: str) -> str:
    """Return a name for the ledger of *name* that is a safe one anywhere, and no other's.

    Raises:
        SettingsError: *name* is empty or too long.

    """
    if not isinstance(name, str) or not name:
        raise SettingsError("the name of a ledger must be a text that is not empty")
    quoted = "".join(
        one if one in _PLAIN else "".join(f"%{byte:02x}" for byte in one.encode("utf-8", "surrogatepass"))
        for one in name
    )
    if len(quoted) > _MOST_NAME_BYTES:
        raise SettingsError(
            f"this name of a ledger is too long for a file's: {len(quoted)} bytes as {quoted[:40]}..., and "
            f"{_MOST_NAME_BYTES} are the most. Small letters, digits, - and _ take one byte, anything else three or "
            "more. Give a shorter one, such as the SHA-256 of this"
        )
    return quoted + SUFFIX


def name_of(path: Path) -> str:
    """Return the name that :func:`file_name` made the name of *path* from, or that itself."""
    name = unquote(path.name.removesuffix(SUFFIX), errors="surrogatepass")
    try:
        return name if file_name(name) == path.name else path.name
    except SettingsError:
        return path.name


def _unreadable(folder: Path, error: OSError) -> LedgerStorageError:
    return LedgerStorageError(f"{folder}: this folder of ledgers cannot be read: {error.strerror}")


def _is_ledger(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    return header.startswith(_MAGIC) and header[_SQLITE_ID] == schema.APPLICATION_ID.to_bytes(4)


def _told(known: Known, path: Path, changed: float, *, is_running: bool) -> KeptLedger:
    totals, last, why = known.totals, known.last, ""
    state = LedgerState.RUNNING if is_running else LedgerState.COMPLETE if known.is_done else LedgerState.RESUMABLE
    if state is LedgerState.RESUMABLE:
        try:
            source_left(known)
        except BulkDeleteError as error:
            state, why = LedgerState.NO_SOURCE if known.is_bound else LedgerState.NEVER_BEGUN, str(error)
    return KeptLedger(
        path,
        name_of(path),
        state,
        why,
        changed,
        known.facts.get("identity.table_id", ""),
        known.facts.get("identity.base_url", ""),
        **{name: getattr(totals, name) for name in _COUNTS},
        last_ended=None if last is None else last.ended,
        last_reason="" if last is None else last.reason or "",
    )
