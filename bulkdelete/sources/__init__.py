"""Sources: blocks of rows in order, from a file, standard input, Python; one small file per kind.

``open_source`` and ``from_iterable`` make a :class:`Source`, and ``open_each`` several; ``spooled`` makes one that
cannot be read twice safe to resume; ``first_records`` looks at the beginning of one that can, and ``parts_of`` reads
its files apart. ``passed_over`` tells what a directory keeps back, and ``stamps`` what changes with its files;
``before_sending`` lets errors say that nothing was sent, and ``is_of_a_cut`` tells a line that was cut by its reason.
"""

from __future__ import annotations

from bulkdelete.sources.ending import is_of_a_cut
from bulkdelete.sources.functions import source_of
from bulkdelete.sources.iterables import from_iterable
from bulkdelete.sources.opening import STANDARD_INPUT, open_each, open_source
from bulkdelete.sources.several import FILES, parts_of, passed_over
from bulkdelete.sources.source import (
    ESTIMATED_BY_BYTES,
    Records,
    Source,
    Stamps,
    before_sending,
    estimated_rows,
    first_records,
    is_source,
    stamps,
)
from bulkdelete.sources.spool import put_in_place, spooled

__all__ = [
    "ESTIMATED_BY_BYTES",
    "FILES",
    "STANDARD_INPUT",
    "Records",
    "Source",
    "Stamps",
    "before_sending",
    "estimated_rows",
    "first_records",
    "from_iterable",
    "is_of_a_cut",
    "is_source",
    "open_each",
    "open_source",
    "parts_of",
    "passed_over",
    "put_in_place",
    "source_of",
    "spooled",
    "stamps",
]
