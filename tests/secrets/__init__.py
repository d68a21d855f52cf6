"""Where a key must never be: one search for every campaign."""

from __future__ import annotations

import base64
import contextlib
import logging
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from rich.traceback import Traceback

import bulkdelete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_Error = TypeVar("_Error", bound=BaseException)
_PACKAGE = f"{Path(bulkdelete.__file__).parent}/"
FEWEST_CHARACTERS = 12
"""So many characters of a key in a row give it away."""


def assert_nowhere(key: str, paths: Iterable[Path] = (), texts: Iterable[str | bytes] = ()) -> None:
    """Assert that no file below *paths*, no file's name and none of *texts* holds *key*, not in part, not encoded."""
    forms = _forms(str(key))
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            _assert_none(forms, str(file).encode(errors="surrogateescape"), f"the name {file}")
            if file.is_file():
                with contextlib.suppress(FileNotFoundError):
                    _assert_none(forms, file.read_bytes(), f"the file {file}")
    for text in texts:
        _assert_none(forms, text if isinstance(text, bytes) else text.encode(errors="surrogatepass"), "a text")


def of_ours(error: _Error) -> _Error:
    """Return *error* with its traceback from the first frame on that is ours: a caller's are the caller's business."""
    traceback = error.__traceback__
    while traceback is not None and not traceback.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        traceback = traceback.tb_next
    assert traceback is not None
    return error.with_traceback(traceback)


def as_told(error: BaseException, *, by_rich: bool = True) -> Iterator[str]:
    """Yield *error* as whoever catches it may show it: tracebacks with locals, plain and *by_rich*, its reprs."""
    yield repr(error)
    yield repr(vars(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    if not by_rich:
        return
    cut = {"locals_max_length": 100, "locals_max_string": 80}
    for stack in Traceback.extract(type(error), error, error.__traceback__, show_locals=True, **cut).stacks:
        yield stack.exc_value
        for frame in stack.frames:
            for name, seen in (frame.locals or {}).items():
                yield f"{name} = {seen.render(max_width=400)}"


@contextlib.contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Give the messages, and the tracebacks with them, of all that is logged meanwhile, at any level."""
    messages: list[str] = []
    loggers = [logging.getLogger(), logging.getLogger("bulkdelete")]
    levels, handler = [logger.level for logger in loggers], _Keeping(messages)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    try:
        assert loggers[1].propagate, "what bulkdelete logs does not come to the root"
        yield messages
    finally:
        loggers[0].removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Keeping(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self._messages += as_told(record.exc_info[1])


@cache
def _forms(key: str) -> dict[bytes, tuple[bytes, ...]]:
    """Return what gives *key* away, by what is looked for first: most of it has the middle of the key in common."""
    length = min(len(key), FEWEST_CHARACTERS)
    stretches = [key[at : at + length].encode() for at in range(len(key) - length + 1)]
    middle = key[len(key) - length : length].encode()
    forms = {*stretches, *_written_otherwise(key)}
    alike = tuple(form for form in forms if middle and middle in form)
    return {form: (form,) for form in forms.difference(alike)} | ({middle: alike} if alike else {})


def _written_otherwise(key: str) -> Iterator[bytes]:
    yield quote(key, safe="").encode()
    yield key.encode().hex().encode()
    for shift in range(3):  # what base64 makes of it, wherever in a text it stood
        whole = base64.b64encode(b" " * shift + key.encode())
        yield whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]


def _assert_none(forms: Mapping[bytes, tuple[bytes, ...]], data: bytes, where: str) -> None:
    for needed, several in forms.items():
        if needed in data:
            for form in several:
                at = data.find(form)
                assert at < 0, f"the key, or enough of it, stands in {where}: ...{data[max(0, at - 200) : at + 60]!r}"
