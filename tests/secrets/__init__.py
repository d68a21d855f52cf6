"""Where a key must never be: one search for every campaign."""

from __future__ import annotations

import base64
import contextlib
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from rich.traceback import Traceback

import bulkdelete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Error = TypeVar("_Error", bound=BaseException)
_PACKAGE = f"{Path(bulkdelete.__file__).parent}/"
FEWEST_CHARACTERS = 12
"""So many characters of a key in a row give it away."""


def assert_nowhere(key: str, paths: Iterable[Path] = (), texts: Iterable[str | bytes] = ()) -> None:
    """Assert that no file below *paths*, no file's name and none of *texts* holds *key*, not in part, not encoded."""
    forms = _forms_of(str(key))
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


def as_told(error: BaseException) -> Iterator[str]:
    """Yield *error* as whoever catches it may show it: tracebacks with locals, plain and by rich, its reprs."""
    yield repr(error)
    yield repr(vars(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    cut = {"locals_max_length": 100, "locals_max_string": 80}
    for stack in Traceback.extract(type(error), error, error.__traceback__, show_locals=True, **cut).stacks:
        yield stack.exc_value
        for frame in stack.frames:
            for name, seen in (frame.locals or {}).items():
                yield f"{name} = {seen.render(max_width=400)}"


@cache
def _forms_of(key: str) -> frozenset[bytes]:
    return frozenset(_forms(key))


def _forms(key: str) -> Iterator[bytes]:
    """Yield what gives *key* away: each stretch of it that is long enough, and how it is written elsewhere."""
    length = min(len(key), FEWEST_CHARACTERS)
    for at in range(len(key) - length + 1):
        yield key[at : at + length].encode()
    yield quote(key, safe="").encode()
    yield key.encode().hex().encode()
    for shift in range(3):  # what base64 makes of it, wherever in a text it stood
        whole = base64.b64encode(b" " * shift + key.encode())
        yield whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]


def _assert_none(forms: Iterable[bytes], data: bytes, where: str) -> None:
    for form in forms:
        at = data.find(form)
        assert at < 0, f"the key, or enough of it, stands in {where}: ...{data[max(0, at - 200) : at + 60]!r}"
