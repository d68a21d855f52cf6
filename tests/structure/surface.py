"""All that a user of the package meets: its public classes and functions, and their methods and properties."""

from __future__ import annotations

import importlib
from types import FunctionType
from typing import TYPE_CHECKING

import bulkdelete

if TYPE_CHECKING:
    from collections.abc import Iterator

SURFACE = {
    "bulkdelete": bulkdelete.__all__,
    "bulkdelete.emulator": None,
    "bulkdelete.events": None,
    "bulkdelete.metrics": None,
    "bulkdelete.otel": None,
    "bulkdelete.testing": None,
    "bulkdelete.settings": [
        *("ApiKey", "BatchSettings", "CanarySettings", "FlowSettings", "HoldsSettings", "HttpSettings"),
        *("IdentifierSettings", "LedgerSettings", "ReadingSettings", "RetrySettings", "SourceSettings"),
        *("SplittingSettings", "StopOptions", "StopSettings"),
    ],
    "bulkdelete.records": ["Batch", "Defect", "Rows", "Verdict", "VerdictKind"],  # met in events, errors and sources
    "bulkdelete.reports": ["CanaryCounts"],
    "bulkdelete.sources": ["Source"],
}
"""The modules that a user imports from, and the names; ``None`` for those of their ``__all__``."""
NOT_DESCRIBED_BY_THEMSELVES = {"bulkdelete.__version__", "bulkdelete.events.Event"}  # a text, and a union of the others
FOR_THE_COMMAND_LINE = {"bulkdelete.BulkDeleter.job_of"}  # it takes what only the command line makes
MEMBER = FunctionType | classmethod | staticmethod | property


def public() -> Iterator[tuple[str, object]]:
    for module, names in SURFACE.items():
        home = importlib.import_module(module)
        for name in home.__all__ if names is None else names:
            if f"{module}.{name}" not in NOT_DESCRIBED_BY_THEMSELVES:
                yield f"{module}.{name}", getattr(home, name)


def members(kind: type) -> dict[str, object]:
    """Return the public methods and properties of a class that are ours, also inherited ones, by name."""
    ours = [parent for parent in reversed(kind.__mro__) if parent.__module__.partition(".")[0] == "bulkdelete"]
    found = {name: member for parent in ours for name, member in vars(parent).items() if not name.startswith("_")}
    return {name: member for name, member in found.items() if isinstance(member, MEMBER)}


THINGS = dict(public())
MEMBERS = {
    f"{name}.{member_name}": (thing, member)
    for name, thing in THINGS.items()
    if isinstance(thing, type)
    for member_name, member in members(thing).items()
    if f"{name}.{member_name}" not in FOR_THE_COMMAND_LINE
}
