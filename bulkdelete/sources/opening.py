"""Paths and settings -> a source."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SourceRefused
from bulkdelete.identities import with_default_column
from bulkdelete.settings import ReadingSettings, SourceSettings
from bulkdelete.sources.databases import is_database, is_left_by_us
from bulkdelete.sources.defects import not_in
from bulkdelete.sources.delimited import Delimited
from bulkdelete.sources.file import FileSource
from bulkdelete.sources.jsonl import JsonLines
from bulkdelete.sources.numbered import Names
from bulkdelete.sources.several import SeveralFiles, find, is_several
from bulkdelete.sources.text import text_lots
from bulkdelete.sources.transcoding import is_utf_8
from bulkdelete.sources.unpacking import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bulkdelete.sources.lines import Lines, Lot
    from bulkdelete.sources.source import Source

STANDARD_INPUT: Final = "standard input"
_KINDS: Final = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}
_NO_DELIMITERS: Final = frozenset('"\r\n')
_IN_IDS: Final = frozenset("-_.")
_OPEN_FILES: Final = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def open_source(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], settings: ReadingSettings | None = None
) -> Source:
    r"""Return the source at *path*, where "-" is standard input; nothing is read yet but what kind of file it is.

    A list of paths, a directory or a glob is one source: the rows of all its files, numbered through. *settings* say
    how it is read; their own ``path`` is not looked at.

    Raises:
        SourceRefused: it is missing, empty as a directory, or unreadable, or *settings* do not fit its format.

    Example:
        >>> from pathlib import Path
        >>> from bulkdelete.settings import SourceSettings
        >>> _ = Path("ids.csv").write_text("name,id\nAnn,541278230707963208\n")
        >>> source = open_source("ids.csv", SourceSettings(column="id"))
        >>> (await deleter.delete(TABLE_ID, source)).acknowledged
        1

    """
    paths = [path] if isinstance(path, str | os.PathLike) else path
    return _open([os.fspath(one) for one in paths], settings or SourceSettings(), Names())


def open_each(paths: Iterable[str], settings: ReadingSettings) -> tuple[Source, ...]:
    """Return a source for each of *paths*, as :func:`open_source` does; a number calls the same column in all of them.

    Raises:
        SourceRefused: as :func:`open_source`.

    """
    names = Names()
    return tuple(_open([path], settings, names) for path in paths)


def _open(paths: list[str], settings: ReadingSettings, names: Names) -> Source:
    if not paths:
        raise SourceRefused("no source is named. Nothing was sent. Name the file that holds the records")
    if not all(paths):
        raise SourceRefused(
            "the name of a file is empty: perhaps a variable of a shell is not set. Nothing was sent. Name the file "
            "that holds the records"
        )
    if is_several(paths):
        found = find(paths)
        files = [_file(file.path, settings, names) for file in found]
        more = len(paths) - 1
        name = f"{paths[0]} and {more} more" if more else paths[0]
        return SeveralFiles(
            f"{name} ({len(files)} file{'s' * (len(files) > 1)})", paths, files, [file.name for file in found]
        )
    return _file(paths[0], settings, names)


def _file(path: str, settings: ReadingSettings, names: Names) -> FileSource:
    if path == "-":
        return _source(STANDARD_INPUT, None, settings, names, size_bytes=None)
    at = Path(path)
    size_bytes = _look(at)
    return _source(str(at), at, settings, names, size_bytes=size_bytes)


def _source(
    name: str, path: Path | None, settings: ReadingSettings, names: Names, *, size_bytes: int | None
) -> FileSource:
    kind = settings.format if settings.format != "auto" else _kind_by_name(path)
    delimiter = settings.delimiter or _DELIMITERS.get(kind, "")
    if settings.format == "auto" and _bare_name(path).endswith(".json"):
        raise SourceRefused(
            f"{name}: what a .json file holds is not clear by its name: it may be one JSON document. Nothing was sent. "
            "Say what it is: --format jsonl for a JSON value on each line, --format text for an id on each"
        )
    _check(name, kind, settings)
    return FileSource(
        name=name,
        path=path,
        lots=_lots(name, kind, settings, delimiter, names),
        identity=_identity(kind, settings, delimiter),
        max_line_bytes=settings.max_line_bytes,
        replayable=size_bytes is not None,
        size_bytes=size_bytes,
        file=name,
        encoding=settings.encoding,
        max_expansion=settings.max_expansion,
    )


def _look(path: Path) -> int | None:
    """Return the size of a regular file, ``None`` for anything else that can be read once."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise SourceRefused(f"{path} is a directory. Nothing was sent. Name the files that hold the records")
        if _is_endless(found) and not str(path).startswith(_OPEN_FILES):
            raise SourceRefused(f"{path} is a device, which may never end. Nothing was sent. Name a file, or a FIFO")
        if not os.access(path, os.R_OK):
            raise PermissionError(0, "it may not be read")
    except FileNotFoundError:
        raise SourceRefused(f"{path}: there is no such file. Nothing was sent. Check the path of the source") from None
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SourceRefused(
            f"{path!s} cannot be read: {said}. Nothing was sent. Check the path and its permissions"
        ) from None
    regular = stat.S_ISREG(found.st_mode) and not str(path).startswith(_OPEN_FILES)
    if regular and is_database(path):
        raise SourceRefused(
            f"{path} is a SQLite database, such as a ledger, and no list of records. Nothing was sent. Name the files "
            "that hold the records, with a glob such as '*.csv' where there are many"
        )
    if regular and found.st_size and is_left_by_us(path):
        raise SourceRefused(
            f"{path} is what bulkdelete keeps beside a ledger, such as its lock, or a copy of another job's records, "
            "and no list of records. Nothing was sent. Name the files that hold the records; if you mean it, copy "
            "it to another name"
        )
    return found.st_size if regular else None


def _is_endless(found: os.stat_result) -> bool:
    """Return whether it is a device, but not the one that is empty."""
    is_device = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
    return is_device and found.st_rdev != os.stat(os.devnull).st_rdev  # noqa: PTH116 - its number


def _kind_by_name(path: Path | None) -> str:
    return _KINDS.get(Path(_bare_name(path)).suffix, "text")


def _bare_name(path: Path | None) -> str:
    """Return the file's name in small letters, without what its packing adds to it."""
    name = "" if path is None else path.name.lower()
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _check(name: str, kind: str, settings: ReadingSettings) -> None:
    columns = settings.column or settings.filter_column
    if kind == "text" and columns:
        raise SourceRefused(
            f"{name} is read as text, one id a line, which has no column {columns!r}. Nothing was sent. "
            "Say what it is with --format csv, tsv or jsonl"
        )
    if settings.delimiter and kind not in _DELIMITERS:
        raise SourceRefused(
            f"{name} is read as {kind}, which has no delimiter. Nothing was sent. Say what it is with --format csv"
        )
    if settings.delimiter.isalnum() or settings.delimiter in _IN_IDS:
        raise SourceRefused(
            f"{name}: {settings.delimiter!r} cannot be a delimiter: it may stand in an id, which would be cut in two. "
            "Nothing was sent. Use another"
        )
    if settings.delimiter in _NO_DELIMITERS:
        raise SourceRefused(f"{name}: {settings.delimiter!r} cannot be a delimiter. Nothing was sent. Use another")


def _lots(
    name: str, kind: str, settings: ReadingSettings, delimiter: str, names: Names
) -> Callable[[Iterable[Lines]], Iterator[Lot]]:
    if kind == "text":
        return partial(text_lots, not_in(settings.encoding))
    if kind == "jsonl":
        return JsonLines.of(settings).lots
    return Delimited(name, settings, delimiter, names, escaped=kind == "tsv").lots


def _identity(kind: str, settings: ReadingSettings, delimiter: str) -> Mapping[str, str]:
    identity = {"kind": kind}
    if kind != "text":
        identity |= {"column": settings.column, "filter_column": settings.filter_column}
    if kind in _DELIMITERS:
        identity |= {"delimiter": delimiter, "header": "yes" if settings.header else "no"}
    if not is_utf_8(settings.encoding):
        identity["encoding"] = settings.encoding
    return with_default_column({**identity, "max_line_bytes": str(settings.max_line_bytes)})
