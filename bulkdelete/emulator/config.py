"""The emulator's configuration file: TOML with the sections ``[switches]`` and ``[faults]``."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulkdelete.emulator.checks import did_you_mean
from bulkdelete.emulator.faults import Faults
from bulkdelete.emulator.switches import Switches
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Config(NamedTuple):
    """What kind of server the emulator plays, and what goes wrong; by default the likely server, and nothing.

    Example:
        >>> from bulkdelete.emulator import Config, Faults
        >>> config = Config(faults=Faults(internal_error_rate=0.1))
        >>> config.faults.internal_error_rate, config.switches.unknown_ids
        (0.1, 'ignored')

    """

    switches: Switches = Switches()
    faults: Faults = Faults()


_SECTIONS: Final[Mapping[str, type[Switches | Faults]]] = {"switches": Switches, "faults": Faults}


def read_config(path: str | Path) -> Config:
    r"""Read a TOML file in which ``[switches]`` holds fields of ``Switches`` and ``[faults]`` those of ``Faults``.

    Raises:
        SettingsError: the file cannot be read, is no TOML, or holds an unknown name or a refused value.

    Example:
        >>> from pathlib import Path
        >>> from bulkdelete.emulator import Emulator, read_config
        >>> _ = Path("emulator.toml").write_text("[switches]\ncapacity = 8\n")
        >>> config = read_config("emulator.toml")
        >>> config.switches.capacity, config.faults.seed
        (8, 0)
        >>> emulator = Emulator(switches=config.switches, faults=config.faults)

    """
    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the configuration cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from None
    try:
        return Config(**{name: _section(name, section) for name, section in values.items()})
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def section_of(field_name: str) -> str | None:
    """Return the section that *field_name* belongs to."""
    return next((section for section, kind in _SECTIONS.items() if field_name in _names(kind)), None)


def _section(name: str, values: object) -> Any:  # noqa: ANN401 - one kind or the other
    if name not in _SECTIONS:
        home = section_of(name)
        hint = f"; write it under [{home}]" if home else did_you_mean(name, _SECTIONS)
        raise SettingsError(f"{name} is no section{hint}")
    if not isinstance(values, dict):
        raise SettingsError(f"{name} must be a section, written as [{name}]")
    kind = _SECTIONS[name]
    for field_name in values:
        if field_name not in _names(kind):
            home = section_of(field_name)
            hint = f"; it belongs under [{home}]" if home else did_you_mean(field_name, _names(kind))
            raise SettingsError(f"{name}.{field_name} is unknown{hint}")
    return kind(**values)


def _names(kind: type[Switches | Faults]) -> list[str]:
    return [one.name for one in fields(kind)]
