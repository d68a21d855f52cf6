"""Several files as one source: their rows numbered through, in an order that is frozen with the job's identity."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SourceError, SourceRefused
from bulkdelete.records import Rows
from bulkdelete.sources.databases import is_left_by_us, is_named_as_beside_a_ledger, ledgers_among
from bulkdelete.sources.ending import Ending
from bulkdelete.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence

    from bulkdelete.sources.file import FileSource
    from bulkdelete.sources.source import Source

FILES: Final = "files"
"""The part of a source's identity that lists its files, as JSON."""
_NOT_DATA: Final = "_"
_PASSED_OVER: Final = (".", _NOT_DATA)
_OUR_LEDGERS: Final = (".bulkdelete.db", ".bulkdelete.db-wal", ".bulkdelete.db-shm")
"""An empty file of such a name is a ledger that is being made; others are told by what they hold."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read, and the name that stands for it in the job's identity, wherever its folder lies."""

    path: str
    name: str


def is_several(paths: Sequence[str]) -> bool:
    """Return whether *paths* are more than one file, or may come to be: a list, a directory or a glob."""
    return len(paths) > 1 or any(_is_directory(path) or _is_glob(path) for path in paths)


def find(paths: Sequence[str]) -> list[Found]:
    """Return the files that *paths* stand for: a file is itself, a directory its files, a glob what it matches.

    In a directory, names that begin with ``.`` or ``_`` are passed over, and ledgers with what lies beside them, or is
    left of them. Files of one directory or glob come in the order of their names; everything else in the order given.
    A folder that is there as it is written is none of a glob's pattern, whatever signs its name has.

    Raises:
        SourceRefused: nothing is found, a directory holds another, a glob matches one and not all that is in it, there
            is what is named as if it lay beside a ledger, or a file is named twice.

    """
    found = [file for path in paths for file in _found(path)]
    seen: set[str] = set()
    for file in found:
        real = os.path.realpath(file.path)
        if real in seen:
            raise SourceRefused(f"{file.path} is named twice among the sources. Nothing was sent. Name each file once")
        seen.add(real)
    return found


def passed_over(path: str) -> list[str]:
    """Return the names in the directory *path*, if it is one, of files that hold something and are not read.

    Hidden files are not among them: nobody keeps records in those. Nor are ledgers with what lies beside them, but what
    is left of a ledger that is gone.
    """
    if not _is_directory(path):
        return []
    with suppress(OSError):
        inside = sorted(Path(path).iterdir())
        ledgers = ledgers_among(inside)
        named = [one for one in inside if one.name.startswith(_NOT_DATA) or _is_left(one, ledgers)]
        return [one.name for one in named if one.is_dir() or one.stat().st_size]
    return []  # what cannot be listed cannot be opened either


def _found(path: str) -> Iterator[Found]:
    if _is_directory(path):
        yield from _in_directory(Path(path))
    elif _is_glob(path):
        yield from _matching(path)
    elif path == "-":
        raise SourceRefused("standard input cannot be one of several sources. Nothing was sent. Give it alone")
    else:
        yield Found(path, Path(path).name)


def _in_directory(folder: Path) -> Iterator[Found]:
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise SourceRefused(f"{folder} cannot be read: {error.strerror}. Nothing was sent") from None
    ledgers = ledgers_among(inside)
    files = [
        path
        for path in inside
        if not (
            path.name.startswith(_PASSED_OVER) or path.name in ledgers or _is_begun(path) or _is_left(path, ledgers)
        )
    ]
    for path in files:
        if path.is_dir():
            raise SourceRefused(
                f"{folder} holds the directory {path.name}, and whether its files are meant is not clear. Nothing was "
                f"sent. Say it with a glob, such as '{folder}/*.csv' or '{folder}/**/*.csv'"
            )
        _refuse_beside_a_ledger(path, f"{folder} holds", "Move it away, or name the files one by one")
    if not files:
        raise SourceRefused(f"{folder} holds no file. Nothing was sent. Check the path of the source")
    yield from (Found(str(path), path.name) for path in files)


def _is_left(path: Path, ledgers: set[str]) -> bool:
    """Return whether *path* is left of a ledger that is gone."""
    return not path.name.startswith(".") and path.name not in ledgers and is_left_by_us(path)


def _refuse_beside_a_ledger(path: Path, found: str, mend: str) -> None:
    if is_named_as_beside_a_ledger(path.name):
        raise SourceRefused(
            f"{found} {path.name}, and what bulkdelete keeps beside a ledger ends so, such as its lock, or a copy of "
            f"another job's records. Nothing was sent. {mend}; if it is a list of records of yours, rename it"
        )


def _is_begun(path: Path) -> bool:
    return path.name.endswith(_OUR_LEDGERS) and path.is_file() and not path.stat().st_size


def _matching(given: str) -> Iterator[Found]:
    root, pattern = _cut(given)
    try:
        behind = sorted(glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207 - absolute too
    except ValueError as error:
        raise SourceRefused(f"{given} cannot be looked for: {error}. Nothing was sent. Check the pattern") from None
    found = [os.path.join(root, one) for one in behind]  # noqa: PTH118 - as text
    matches = [path for path in found if not _is_directory(path)]
    names = {os.path.normpath(path) for path in found} if "**" in pattern else set[str]()
    for path in found:
        if _is_directory(path) and not (names and _is_read_whole(path, names)):
            suffix = next((Path(match).suffix for match in matches if Path(match).suffix), ".txt")
            raise SourceRefused(
                f"{given} matches the directory {path}, and whether its files are meant is not clear. Nothing was "
                f"sent. Say it with a narrower pattern, such as '{Path(root, f'*{suffix}')}' or, with them, "
                f"'{Path(root, '**', f'*{suffix}')}'"
            )
    for path in matches:
        _refuse_beside_a_ledger(Path(path), f"{given} matches", "Say it with a narrower pattern")
    if not matches:
        raise SourceRefused(f"no file matches {given}. Nothing was sent. Check the pattern of the source")
    yield from (Found(path, os.path.relpath(path, root or ".")) for path in matches)


def _is_read_whole(folder: str, names: set[str]) -> bool:
    """Return whether all that lies in *folder*, but for hidden files, is among the *names* that a glob has found."""
    try:
        return all(os.path.normpath(one) in names for one in Path(folder).iterdir() if not one.name.startswith("."))
    except OSError:
        return False


def _is_glob(path: str) -> bool:
    return glob.has_magic(_cut(path)[1])


def _cut(path: str) -> tuple[str, str]:
    """Return the folder where *path* begins, and the pattern behind that; what is there as it is written is folder."""
    root = path
    while glob.has_magic(root) and not os.path.exists(root):  # noqa: PTH110 - is no error for a name that is too long
        root = os.path.dirname(root)  # noqa: PTH120 - as text
    return root, path[len(root) :].lstrip("/")


def _is_directory(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - the same


class SeveralFiles:
    """The rows of *files*, one after another, all read alike; *names* stand for them in the identity."""

    def __init__(self, name: str, paths: Sequence[str], files: Sequence[FileSource], names: Sequence[str]) -> None:
        self.name = name
        self.paths = tuple(paths)
        self._files = files
        self.identity: Mapping[str, str] = {**_one_identity(files), FILES: json.dumps(list(names))}
        self.replayable = True

    def __repr__(self) -> str:
        return f"<{len(self._files)} files: {self.name}>"

    @property
    def parts(self) -> tuple[Source, ...]:
        """The sources of its files, in their order."""
        return tuple(self._files)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it reads, in their order."""
        return tuple(path for file in self._files for path in file.files)

    @property
    def size_bytes(self) -> int | None:
        """The size of all files as they lie on disk."""
        return sum(file.size_bytes or 0 for file in self._files)

    @property
    def position_bytes(self) -> int:
        """How much of ``size_bytes`` has been read."""
        return sum(file.position_bytes for file in self._files)

    @property
    def rows_read(self) -> int:
        """How many rows that was."""
        return sum(file.rows_read for file in self._files)

    async def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows of every file, numbered through.

        Among pieces of one file, the last rows of each wait for the next one: it may begin with the rest of them.
        """
        row, waiting = 0, list[tuple[Ending, Rows]]()
        for file, ending in await self.watched():
            first = row
            async with aclosing(file.blocks_watched_by(ending)) as blocks:
                async for rows in blocks:
                    for before, last in waiting:
                        is_cut = before is not ending and ending.begins_with_a_rest
                        yield before.without_a_piece(last) if is_cut else last
                    waiting = [(ending, Rows(first + rows.first_row, rows.items, rows.file, rows.lines))]
                    row = first + rows.first_row + len(rows.items)
                    if not ending.is_followed_by_pieces:
                        yield waiting.pop()[1]
        for _, last in waiting:
            yield last

    async def watched(self) -> Iterator[tuple[FileSource, Ending]]:
        """Return its files, each with what watches it; the next may be taken once one was read to its end."""
        among_pieces = await in_thread(self._are_pieces, "look at how the files end", SourceError)
        return self._one_after_another(among_pieces=among_pieces)

    def _one_after_another(self, *, among_pieces: bool) -> Iterator[tuple[FileSource, Ending]]:
        ending = None
        for file in self._files:
            ending = Ending(ending, among_pieces=among_pieces)
            yield file, ending

    def _are_pieces(self) -> bool:
        """Return whether some file but the last ends within a line, as parts do that were cut anywhere."""
        return any(file.ends_within_a_line() for file in self._files[:-1])

    async def fingerprint(self) -> str:
        """Return ``sha256:<hex>`` of the files' own, in their order."""
        digest = hashlib.sha256()
        for file in self._files:
            digest.update((await file.fingerprint()).encode() + b"\n")
        return f"sha256:{digest.hexdigest()}"


async def parts_of(source: Source) -> Iterator[tuple[Source, Callable[[], AsyncGenerator[Rows, None]]]]:
    """Return the parts of *source*, each with what yields its rows; the next may be taken once one was read to its end.

    The rows are those of ``source.blocks()``: a file may begin with the rest of a line that the one before it lacks.
    """
    if isinstance(source, SeveralFiles):
        return ((file, partial(file.blocks_watched_by, ending)) for file, ending in await source.watched())
    return ((part, part.blocks) for part in source.parts)


def _one_identity(files: Iterable[FileSource]) -> Mapping[str, str]:
    """Return how all *files* are read; raise :class:`SourceRefused` where that differs."""
    first, *others = files
    for file in (first, *others):
        if not file.replayable:
            raise SourceRefused(
                f"{file.name} can be read only once, and cannot be one of several. Nothing was sent. Give it alone"
            )
        if file.identity != first.identity:
            raise SourceRefused(
                f"{first.name} is read as {first.identity['kind']} and {file.name} as {file.identity['kind']}: the "
                "files of one job are read alike. Nothing was sent. Say what they are with --format"
            )
    return first.identity
