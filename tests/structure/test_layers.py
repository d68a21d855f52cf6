"""The house has floors: every module imports only from strictly lower ones, also inside functions and for types.

One exception, for types: FOR_TYPES_ONLY.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "bulkdelete"
FLOORS = [
    ["errors", "version"],
    [
        *("records", "nothings", "settings", "stopping", "ids", "identities", "quotas", "masking", "terminal"),
        *("beside", "threads"),
    ],
    ["reports"],
    ["holds", "waiting", "forecasting", "events", "unclear"],
    ["hub"],
    [
        *(
            "protocol",
            "screening",
            "sanity",
            "spelling",
            "noting",
            "digest",
            "channel",
            "breathing",
            "tally",
            "capping",
            "telling",
            "calls",
        ),
        *("piping", "key_files", "proxying"),
    ],
    ["exchange"],
    [
        "batching",
        "splitting",
        "deferring",
        "credentials",
        "transport",
        "limiter",
        "retry",
        "ledger",
        "sources",
        "pathfinding",
    ],
    ["attempts", "merging", "copying", "holding", "looking", "state", "surveying", "orders", "accounting", "canary"],
    ["cases", "preparing", "counting", "keeping", "resuming"],
    ["outcomes"],
    ["deleter", "kept", "head_start"],
    ["engine"],
    ["sweeping", "planning"],
    ["job"],
    ["streaming", "wiring"],
    ["api", "progress"],
    ["folder", "metrics", "otel"],
    ["cli", "testing"],
    ["__main__"],
]
LEVELS = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ISLAND = "emulator"
ISLAND_MAY_USE_BELOW = 6
BRIDGES = {"cli", "testing"}
FOR_TYPES_ONLY = {"errors"}
"""Imports records and reports for type checkers alone: an error carries a report, and a report raises an error."""


def module_of(path: Path) -> str:
    """Return the dotted name of a module below the package: ``ledger.writer``, or ``ledger`` for its ``__init__``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


@cache
def imported(module: str) -> set[str]:
    """Return the modules of ours that *module* imports, wherever in its text; an import of the top name is ``""``."""
    found: set[str] = set()
    tree = ast.parse(MODULES[module].read_text())
    if module in FOR_TYPES_ONLY:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "bulkdelete"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            if node.module and node.module.split(".")[0] == "bulkdelete":
                found |= {_narrowest(f"{node.module}.{alias.name}", node.module) for alias in node.names}
    return {name.removeprefix("bulkdelete").removeprefix(".") for name in found}


def _narrowest(name: str, otherwise: str) -> str:
    """Return *name* where it is a module, else the module it is a name of."""
    return name if name.removeprefix("bulkdelete.") in MODULES else otherwise


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_stands_in_the_table_and_the_table_names_no_other():
    assert {room(module) for module in MODULES} == {*LEVELS, ISLAND}


def test_a_module_imports_only_from_strictly_lower_floors():
    wrong = {module: rooms for module in MODULES if (rooms := not_below(module))}
    assert wrong == {}


def not_below(module: str) -> set[str]:
    """Return the rooms that *module* imports from and may not."""
    rooms = {room(other) for other in imported(module)} - {room(module)}
    if room(module) == ISLAND:
        return {other for other in rooms if LEVELS[other] >= ISLAND_MAY_USE_BELOW}
    if room(module) in BRIDGES:
        rooms -= {ISLAND}
    return {other for other in rooms if LEVELS.get(other, len(FLOORS)) >= LEVELS[room(module)]}


def test_no_module_imports_another_that_imports_it_in_whatever_detour():
    uses = {module: imported(module) for module in MODULES}
    assert set(TopologicalSorter(uses).static_order()) >= set(MODULES)


def test_nobody_but_the_command_line_and_the_fixture_for_tests_imports_the_emulator():
    users = {module for module in MODULES if any(room(other) == ISLAND for other in imported(module))}
    assert {room(user) for user in users} <= {ISLAND, *BRIDGES}


ONLY_USERS = {
    "tenacity": {"retry"},
    "rich": {"cli"},
    "click": {"cli"},
    "sqlite3": {"ledger", ISLAND},
    "pytest": {"testing"},
    "prometheus_client": {"metrics", "cli"},
    "opentelemetry": {"otel"},
}


@pytest.mark.parametrize("library", ONLY_USERS)
def test_a_library_is_used_in_its_own_room_only(library):
    assert {room(module) for module, path in MODULES.items() if library in used(path)} <= ONLY_USERS[library]


@cache
def used(path: Path) -> set[str]:
    """Return the top names of whatever a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.split(".")[0] for name in names}
