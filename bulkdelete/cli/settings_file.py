"""The configuration file: TOML in the layout of :class:`bulkdelete.settings.Settings` -> plain values."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.cli.paths import program
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PATHS: Final = (("source", "path"), ("holds", "path"), ("ledger", "path"), ("api_key_file",), ("http", "ca_file"))
_COMMANDS: Final = (("canary", "check_command"), ("api_key_command",))
"""Whose first word is a path too, where it holds a slash; it stays absolute, as a bare name is looked for in PATH, and
is the same however the configuration is named, as a plan holds it."""
_SECRETS: Final = frozenset({"api_key", "apikey", "api_token", "key", "token", "password", "authorization", "bearer"})
_STDIN: Final = "-"
_MOST_BYTES: Final = 16 * 1024 * 1024
_TOO_DEEP: Final = "it is too deeply nested"


def load(path: str) -> dict[str, Any]:
    """Return what the TOML file *path* holds, with its relative paths taken from the file's own folder.

    Raises:
        SettingsError: the file cannot be read, is no TOML (with line and column), or holds an API key.

    """
    values, fault = _parsed(_bytes_of(path))
    if not fault:
        fault = _told_of_a_secret(values)
    if fault:
        values = {}  # a traceback may show them
        raise SettingsError(f"{path}: {fault}. Nothing was sent")
    for keys in _PATHS:
        _take_from(values, keys, partial(_taken_from, Path(path).parent))
    for keys in _COMMANDS:
        _take_from(values, keys, partial(_command_from, Path(path).parent))
    return values


def put(values: dict[str, Any], name: str, value: object) -> None:
    """Set the dotted *name* in nested *values*, in place of what stood there."""
    *sections, last = name.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{section}: must be a section, written as [{section}] in the configuration")
        values = inner
    values[last] = value


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - reads no more than a configuration may have
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: the configuration cannot be read: {error.strerror}. Nothing was sent") from None


def _parsed(data: bytes) -> tuple[dict[str, Any], str]:
    """Return the values in *data*, or what is wrong with it, which quotes no value: it may hold a key."""
    if len(data) > _MOST_BYTES:
        return {}, f"a configuration has at most {_MOST_BYTES:,} bytes"
    try:
        return tomllib.loads(data.decode().replace("\r\n", "\n").replace("\r", "\n")), ""
    except UnicodeDecodeError:
        return {}, "the configuration is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        return {}, f"{error}: this is not TOML"
    except ValueError:  # Python's own limit, which guards against numbers that take minutes
        return {}, "a number has too many digits"
    except RecursionError:
        return {}, _TOO_DEEP


def _told_of_a_secret(values: Mapping[str, Any]) -> str:
    """Return what is wrong with *values*, where one of them is a key by its name."""
    try:
        named = [name for name in _names(values) if name.rpartition(".")[2].lower().replace("-", "_") in _SECRETS]
    except RecursionError:
        return _TOO_DEEP
    if not named:
        return ""
    return (
        f"{named[0]}: an API key does not belong into a configuration file, which gets copied and committed. Take it "
        "out, make a new key if the file was shared, and give it by the environment variable BULKDELETE_API_KEY, by "
        "api_key_file or by api_key_command"
    )


def _names(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield before + name
        for inside in _tables_in(value):
            yield from _names(inside, f"{before}{name}.")


def _tables_in(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _tables_in(one)


def _take_from(values: dict[str, Any], keys: tuple[str, ...], taken: Callable[[Any], Any]) -> None:
    *sections, last = keys
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            return
        values = inner
    if values.get(last):
        values[last] = taken(values[last])


def _command_from(folder: Path, words: object) -> object:
    if not isinstance(words, list) or not isinstance(words[0], str) or "/" not in words[0]:
        return words
    return [program(folder / words[0]), *words[1:]]


def _taken_from(folder: Path, path: object) -> object:
    if isinstance(path, list):
        return [_taken_from(folder, one) for one in path]
    return str(folder / path) if isinstance(path, str) and path not in {"", _STDIN} else path
