"""What is said on stderr: as text for people, or each thing as a line of JSON for machines; and the log."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_MOST_CHARACTERS: Final = 4000
_ours: Final = logging.getLogger("bulkdelete")
_talk: Final = logging.getLogger("bulkdelete.cli")


class Handler(logging.Handler):
    """Says each record in one line that no terminal obeys; ``write`` may be set to whoever draws on stderr too."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json
        self.write: Callable[[str], None] = _write

    def emit(self, record: logging.LogRecord) -> None:
        """Say *record*."""
        try:
            self.write(_as_json(record) if self.as_json else _as_text(record))
        except Exception:  # noqa: BLE001 - the standard library's way: a log harms nobody
            self.handleError(record)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--log-format`` and ``--log-level`` to a click command; they take effect when they are read."""
    levels = click.Choice(["debug", "info", "warning", "error"])
    level_help = "What is worth a line; ids only at debug. Default: warning, with --log-format json info."
    format_help = "json makes each thing that is said on stderr a line of JSON."
    options = (
        click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help=format_help),
        click.option("--log-level", type=levels, help=level_help),
    )
    for option in reversed(options):
        command = option(command)
    return command


def asks_for_json(words: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON: known before it is read, as that may be refused."""
    joined = f" {' '.join(words)} ".replace("--log-format=", "--log-format ")
    return " --log-format json " in joined


@contextmanager
def logged(log_format: str, log_level: str | None) -> Iterator[None]:
    """While entered, log as the options say, in place of what was entered before."""
    handler = Handler(as_json=log_format == "json")
    before = _ours.level, _talk.level, _ours.propagate
    others = [other for other in _ours.handlers if isinstance(other, Handler)]
    for other in others:
        _ours.removeHandler(other)
    _ours.addHandler(handler)
    _ours.setLevel((log_level or ("info" if handler.as_json else "warning")).upper())
    _talk.setLevel(logging.INFO)
    _ours.propagate = False
    try:
        yield
    finally:
        _ours.removeHandler(handler)
        for other in others:
            _ours.addHandler(other)
        _ours.level, _talk.level, _ours.propagate = before


@contextmanager
def through(write: Callable[[str], None]) -> Iterator[None]:
    """While entered, *write* shows the log's lines of text: nobody writes into the middle of a live line."""
    handlers = [handler for handler in _ours.handlers if isinstance(handler, Handler) and not handler.as_json]
    for handler in handlers:
        handler.write = write
    try:
        yield
    finally:
        for handler in handlers:
            handler.write = _write


def is_json() -> bool:
    """Return whether everything on stderr is JSON."""
    return any(isinstance(handler, Handler) and handler.as_json for handler in _ours.handlers)


def shows_ids() -> bool:
    """Return whether the log is as talkative as it must be for ids."""
    return _ours.isEnabledFor(logging.DEBUG)


def say(text: str, level: int = logging.INFO, fields: Mapping[str, object] | None = None) -> None:
    """Say *text*, which may have several lines, with *fields* for machines."""
    if is_json():
        _talk.log(level, "%s", text, extra={"fields": fields or {}})
    else:
        _write(text)


def lost(lines: int) -> str:
    """Return what is said, as all else is, once so many *lines* could not be shown."""
    text = f"bulkdelete: {lines:,} lines could not be shown here, as nobody read them in time"
    return _as_json(_talk.makeRecord(_talk.name, logging.WARNING, "", 0, text, (), None)) if is_json() else text


def _write(text: str) -> None:
    click.echo(text, err=True)


def _as_text(record: logging.LogRecord) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
    return f"{moment} {record.levelname} {record.name}: {_message(record)}"


def _as_json(record: logging.LogRecord) -> str:
    seconds = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"
    plain = {"time": seconds, "level": record.levelname.lower(), "logger": record.name, "message": _message(record)}
    return json.dumps({**plain, **getattr(record, "fields", {})}, default=str)


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text = f"{text}: {logging.Formatter().formatException(record.exc_info)}"
    return harmless(text, most=_MOST_CHARACTERS)
