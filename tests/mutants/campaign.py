"""Mistakes that this suite must catch, each a patch: applied to a copy of the tree, and the tests run there.

A patch begins with the mistake in words, with the tests that catch it, one a line after ``caught by:``, and with the
campaigns that notice it, one a line after ``noticed by:``, in the words that a shell would give ``python -m tests.``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(__file__).parent
THE_REST: Final = ("tests", "--ignore=tests/mutants", "--ignore=tests/structure/test_gates.py")
"""All tests that look at what the product does: not those of the mutants, nor whether a linter likes them."""
_LEFT_BEHIND: Final = (".*", "__pycache__", "*.egg-info", "build", "dist")
_CAUGHT_BY: Final = re.compile(r"^caught by: (\S+)$", re.MULTILINE)
_NOTICED_BY: Final = re.compile(r"^noticed by: (.+)$", re.MULTILINE)
_BROKEN: Final = re.compile(
    r"^[1-9]\d* (?:seeds|jobs) broke a promise: .+$"  # simulation, cancelling
    r"|[1-9]\d* images or histories unsound$"  # powercuts
    r"|^a promise was broken after \d+ crashes: .*$"  # crashes
    r"|^again: python -m tests\.fuzzing .+$"  # fuzzing
    r"|[1-9]\d* failures; \d+ s, \d+ s of CPU$",  # wire
    re.MULTILINE,
)
"""How each campaign says that it has found something. One that cannot be run ends with 1, too."""
_FAILED: Final = re.compile(r"^FAILED (.+?)(?: - |$)", re.MULTILINE)
_PASSED, _TESTS_FAILED = 0, 1


class DoesNotApplyError(Exception):
    """A patch that the tree has outgrown."""


class NotRunError(Exception):
    """Tests that could not be run: that catches nothing."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: its patch, what it does in words, and the tests and campaigns that are named with it."""

    path: Path
    says: str
    tests: tuple[str, ...]
    campaigns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem


def every() -> list[Mutant]:
    """Read all patches of the folder."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Mutant:
    head = path.read_text().partition("\n--- ")[0]
    return Mutant(path, head.partition("\n")[0], tuple(_CAUGHT_BY.findall(head)), tuple(_NOTICED_BY.findall(head)))


@contextmanager
def tree(mutant: Mutant | None = None) -> Iterator[Path]:
    """Give a copy of the tree with *mutant* in it.

    Raises:
        DoesNotApplyError: the tree is not the one any more that the patch was made for.

    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
        if mutant is not None:
            _apply(mutant, copy)
        _check_imports(copy)
        yield copy


def _apply(mutant: Mutant, copy: Path) -> None:
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    command = ["git", "apply", "--whitespace=nowarn", str(mutant.path)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DoesNotApplyError(
            f"{mutant.path.name} does not apply any more: make the same mistake in today's code, and write the "
            f"patch anew ({mutant.says})\n{done.stderr}"
        )


def _check_imports(copy: Path) -> None:
    """Return if it is the copy's own package that is run there, though another one is installed."""
    where = [sys.executable, "-c", "import bulkdelete; print(bulkdelete.__file__)"]
    done = subprocess.run(where, cwd="/", env=_environment(copy), capture_output=True, text=True, check=False)
    if Path(done.stdout.strip()) != copy / "bulkdelete" / "__init__.py":
        raise NotRunError(f"the copy at {copy} imports {done.stdout}{done.stderr}")


def _environment(copy: Path) -> dict[str, str]:
    """Return ours without what would measure coverage or give options to pytest, and with the copy's package first.

    What a campaign keeps of its findings goes with the copy.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "PYTEST"))}
    return {**ours, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(copy.parent)}


def failing(copy: Path, tests: Sequence[str]) -> str | None:
    """Return the first of *tests* that fails in *copy*, or ``None`` where all of them pass.

    Raises:
        NotRunError: they cannot be run.

    """
    if not tests:
        raise NotRunError("no test is named with it, after caught by:")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]
    done = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=False)
    failed = _FAILED.search(done.stdout)
    if done.returncode == _PASSED:
        return None
    if done.returncode != _TESTS_FAILED or failed is None:
        raise NotRunError(f"{' '.join(tests)} cannot be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[1]


def noticed(copy: Path, campaign: str) -> str | None:
    """Return how *campaign* says in *copy* that a promise is broken, or ``None`` where it finds all kept.

    Raises:
        NotRunError: it cannot be run.

    """
    command = [sys.executable, "-m", *shlex.split(f"tests.{campaign}")]
    done = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=False)
    found = _BROKEN.search(done.stdout)
    if done.returncode == _PASSED:
        return None
    if found is None:
        raise NotRunError(f"{campaign} cannot be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found[0]
