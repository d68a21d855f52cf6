"""Records that must not be deleted, whole in memory, and the proof that a request is free of them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import HoldViolated
from bulkdelete.ids import Ids
from bulkdelete.records import Fate, Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.records import Record

ON_HOLD = "on a hold list"
UNSEEN: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What Unicode lets programs show as nothing (Default_Ignorable_Code_Point), and marks of annotations."""
_UNSEEN: Final = re.compile(rf"[{UNSEEN}]")
BY_ID: Final = ""
"""The way in which ids name records, where filters go by their column: as columns are never called."""


@dataclass(slots=True)
class Listed:
    """How what one hold list names looks, for each way in which it names records."""

    name: str = ""
    header: str = ""
    """What may stand above its ids."""
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    """How many ids, or values of a column's filters, have so many characters."""
    first: dict[str, dict[int, tuple[str, str]]] = field(default_factory=dict)
    """The first one of each length: where it stands, and what it is."""
    cases: dict[str, set[str]] = field(default_factory=dict)
    """Of which case letters are, where there are any: small, large or both."""
    odd: dict[str, dict[str, str]] = field(default_factory=dict)
    """Some that hold other characters than letters and digits, and are no bare addresses, and where each stands."""


class Holds:
    """Hold lists, one after another: record ids and filters. Without any it holds nothing back.

    The client cannot know which record a filter names. So while holds are active, a row is sent only if every list that
    names records at all names each of them in the same way: by id, or by the same column.
    """

    def __init__(self) -> None:
        self.lists = [Listed()]
        self.grouped: dict[tuple[str, str], tuple[str, str]] = {}
        """For each form in which ids, or values, may be numbers with other characters, the list and one such number."""
        self.of_both_cases: dict[str, str] = {}
        """For each hexadecimal id that has small and large letters, folded, as it is on hold."""
        self._ids: set[bytes] = set()  # bytes take a fifth less memory than str: 91 MB a million ids of 18 digits
        self._filters: set[tuple[str, str]] = set()
        self._ways: list[set[str]] = [set()]  # for each list, how it names records
        self._digests = [hashlib.sha256()]  # for each list, of its records

    def __len__(self) -> int:
        return len(self._ids) + len(self._filters)

    def __repr__(self) -> str:
        return f"<Holds {len(self._ids)} ids, {len(self._filters)} filters>"

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the lists in their order; an empty string where nothing is held.

        Where one list ends and how it names records is part of it, as what may be sent depends on both.
        """
        lists = [(one.hexdigest(), sorted(ways)) for one, ways in zip(self._digests, self._ways, strict=True)]
        return f"sha256:{hashlib.sha256(json.dumps(lists).encode()).hexdigest()}" if len(self) else ""

    def begin_list(self, name: str = "", header: str = "") -> None:
        """Let what is added from now on belong to another list."""
        self.lists.append(Listed(name, header))
        self._ways.append(set())
        self._digests.append(hashlib.sha256())

    def add_joined(self, joined: bytes) -> None:
        """Hold the ids *joined* by line breaks back from now on."""
        self._ways[-1].add(BY_ID)
        ids = joined.split(b"\n")
        self._ids.update(ids)
        self.lists[-1].lengths.setdefault(BY_ID, Counter()).update(map(len, ids))
        self._digests[-1].update(joined + b"\n")

    def add(self, records: Sequence[Record]) -> None:
        """Hold *records* back from now on."""
        if isinstance(records, Ids):
            self.add_joined(records.joined)
            return
        for record in records:
            way = record.column if isinstance(record, Filter) else BY_ID
            lengths = self.lists[-1].lengths.setdefault(way, Counter())
            self._ways[-1].add(way)
            if isinstance(record, Filter):
                named = _named(record)
                self._filters.add(named)
                lengths[len(named[1])] += 1
                plain = b"\0" + json.dumps([record.column, record.value]).encode()  # as no id begins
            else:
                plain = record.encode("utf-8", "surrogatepass")
                self._ids.add(_plain(record))
                lengths[length_of(record)] += 1
            self._digests[-1].update(plain + b"\n")

    def fate(self, record: Record) -> tuple[Fate, str] | None:
        """Return the fate and the reason of a record that must not be sent; ``None`` for one that may."""
        if not len(self):
            return None
        if isinstance(record, Filter):
            way, is_held = record.column, _named(record) in self._filters
            no, unproven = repr(way), "what this filter spares"
        else:
            way, is_held = BY_ID, _plain(record) in self._ids
            no, unproven = "record ids", "that this one is not on hold"
        if is_held:
            return Fate.HELD, ON_HOLD
        if self._all_name_by(way):
            return None
        return Fate.INVALID, f"the hold list names no {no} for some of its records: {unproven} is not provable"

    def spare_none_of(self, joined: bytes) -> bool:
        """Return whether all of the ids *joined* by line breaks may be sent."""
        return not len(self) or (self._all_name_by(BY_ID) and self._ids.isdisjoint(joined.split(b"\n")))

    def check_free(self, records: Sequence[Record], joined: bytes = b"") -> None:
        """Return if every one of *records*, the exact records of a request, may be sent; *joined* as for a body.

        Raises:
            HoldViolated: one of them is on hold, which is a fault of bulkdelete.

        """
        if not len(self) or (joined and self.spare_none_of(joined)):
            return
        for record in records:
            if self.fate(record) is not None:
                raise HoldViolated(
                    f"{record!r} is on hold and stood in a request that was about to be sent: a fault of bulkdelete. "
                    "That request was not sent, and nothing more was"
                )

    def _all_name_by(self, way: str) -> bool:
        return all(ways == {way} for ways in self._ways if ways)


def length_of(record_id: str) -> int:
    """Return how many characters *record_id* has where ids are compared."""
    return len(form_to_compare(record_id))


def named_by(record: Record) -> tuple[str, str]:
    """Return how *record* names one, and what by: an id by itself, and a filter by its column and value."""
    return _named(record) if isinstance(record, Filter) else (BY_ID, record)


def _plain(record_id: str) -> bytes:
    """Return what ids share that Unicode calls compatible: whether the API tells them apart, nobody knows."""
    return form_to_compare(record_id).encode("utf-8", "surrogatepass")


def form_to_compare(record_id: str) -> str:
    """Return *record_id*, or several of them, in the form of Unicode in which they are compared."""
    return record_id if record_id.isascii() else unicodedata.normalize("NFKC", record_id)


def _named(record: Filter) -> tuple[str, str]:
    """Return what two filters share that might name one record: whether the API tells 5 from "5" nobody knows.

    Nor whether it tells "É" from "e" with an accent behind it, or small letters from large ones, or sees what is shown
    as nothing.
    """
    value = record.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).casefold()
    return record.column, text if text.isascii() else unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
