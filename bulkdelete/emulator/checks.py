"""The checked fields of the emulator's dataclasses: numbers in a range, choices, and yes or no."""

from __future__ import annotations

import difflib
import math
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance


def number(default: float | None, lowest: float = 0, highest: float = math.inf, *, whole: bool = False) -> Any:  # noqa: ANN401 - as field()
    """Return a field for a number from *lowest* to *highest*; ``None`` is accepted where it is the default."""

    def check(name: str, value: object) -> None:
        if value is None and default is None:
            return
        kinds = (int,) if whole else (int, float)
        if type(value) not in kinds:
            raise SettingsError(f"{name} is {value!r}: it must be a {'whole ' if whole else ''}number")
        assert isinstance(value, int | float)  # noqa: S101 - said to the type checker
        if not lowest <= value <= highest or math.isinf(value):
            bound = f"at least {lowest}" if math.isinf(highest) else f"from {lowest} to {highest}"
            raise SettingsError(f"{name} is {value}: it must be {bound}")

    return field(default=default, metadata={"check": check})


def choice(*values: str) -> Any:  # noqa: ANN401 - as field()
    """Return a field for one of *values*; the first is the default."""

    def check(name: str, value: object) -> None:
        if value not in values:
            quoted = ", ".join(f'"{one}"' for one in values)
            shown = f'"{value}"' if isinstance(value, str) else value
            raise SettingsError(f"{name} is {shown}: it must be one of {quoted}")

    return field(default=values[0], metadata={"check": check, "values": values})


def flag(*, default: bool) -> Any:  # noqa: ANN401 - as field()
    """Return a field for yes or no."""

    def check(name: str, value: object) -> None:
        if type(value) is not bool:
            raise SettingsError(f"{name} is {value!r}: it must be true or false")

    return field(default=default, metadata={"check": check})


def check_fields(checked: DataclassInstance) -> None:
    """Raise :class:`SettingsError`, naming the field, where a value in *checked* is not what its field takes."""
    for one in fields(checked):
        if "check" in one.metadata:
            one.metadata["check"](one.name, getattr(checked, one.name))


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about *name*: the nearest of *names*, where there is a near one."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"; did you mean {near[0]}?" if near else ""
