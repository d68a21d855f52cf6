"""The last results as Markdown tables and SVG figures, as the README shows them."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks import figures, suite
from benchmarks.results import ROOT, Key, Line, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def report(results: Mapping[Key, Line], folder: Path) -> str:
    """Return the tables of *results*, and draw the figures into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    for name in (name for name in suite.NAMES if any(key[0] == name for key in results)):
        lines = [line for line in results.values() if line["benchmark"] == name]
        parts += [f"## {name}", "", suite.question(name), "", *_circumstances(lines), ""]
        across = suite.across(name)
        parts += _across(lines, across) if across else _table(lines)
        drawn = _series(lines, across or "", folder) if across else _bars(name, lines, folder)
        parts += [*drawn, ""]
    return "\n".join(parts)


def _circumstances(lines: Sequence[Line]) -> Iterator[str]:
    """Say once what was measured where; every kind of it, where there are several."""
    yield from dict.fromkeys(_where(line) for line in lines)
    yield from dict.fromkeys(f"Note: {line['note']}." for line in lines if line["note"])


def _where(line: Line) -> str:
    machine, commit = line["machine"], f"commit {(line['commit'] or 'unknown')[:10]}"
    versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items() if version)
    size = f"; only {line['share']:.2%} of the size: no result" if line["share"] < 1 else ""
    changed = " with changes" if line["dirty"] else ""
    return f"{machine['cores']} cores, {machine['gib']:g} GiB, {machine['cpu']}; {versions}; {commit}{changed}{size}."


def _table(lines: Sequence[Line]) -> Iterator[str]:
    """A row for each case, a column for each metric."""
    names = list(dict.fromkeys(name for line in lines for name in line["case"]))
    metrics = list(dict.fromkeys((line["metric"], line["unit"]) for line in lines))
    yield f"| {' | '.join([*names, *(f'{metric}, {unit}' for metric, unit in metrics)])} |"
    yield "| --- " * (len(names) + len(metrics)) + "|"
    for case in dict.fromkeys(tuple(line["case"].items()) for line in lines):
        of = {line["metric"]: spread(line["values"]) for line in lines if tuple(line["case"].items()) == case}
        cells = [*(str(dict(case).get(name, "")) for name in names), *(of.get(metric, "") for metric, _ in metrics)]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _across(lines: Sequence[Line], across: str) -> Iterator[str]:
    """A row for each rest of a case, a column for each value of *across*, and the metrics in one cell."""
    rows: dict[str, dict[str, list[Line]]] = {}
    for line in (line for line in lines if line["values"]):
        rest = ", ".join(str(value) for name, value in line["case"].items() if name != across)
        rows.setdefault(rest, {}).setdefault(line["case"][across], []).append(line)
    for metrics, some in groupby(rows, lambda row: _metrics(next(iter(rows[row].values())))):
        of = list(some)
        columns = list(dict.fromkeys(column for row in of for column in rows[row]))
        yield f"{metrics}\n\n| | {' | '.join(columns)} |"
        yield "| --- " * (1 + len(columns)) + "|"
        for row in of:
            cells = (" · ".join(spread(line["values"]) for line in rows[row].get(column, [])) for column in columns)
            yield f"| {row} | {' | '.join(cells)} |"
        yield ""


def _metrics(lines: Sequence[Line]) -> str:
    return " · ".join(f"{line['metric']}, {line['unit']}" for line in lines)


def _bars(name: str, lines: Sequence[Line], folder: Path) -> Iterator[str]:
    """Draw a figure for each metric of several cases."""
    for metric, unit in dict.fromkeys((line["metric"], line["unit"]) for line in lines):
        bars = {
            ", ".join(f"{part} {value}" for part, value in line["case"].items()): (line["median"], *line["spread"])
            for line in lines
            if line["metric"] == metric
        }
        if len(bars) > 1:
            path = folder / f"{name}_{re.sub('[^a-z0-9]+', '_', metric.lower())}.svg"
            path.write_text(figures.bars(f"{name}: {metric}, {unit}", bars))
            yield _shown(metric, path)


def _shown(text: str, path: Path) -> str:
    near = path.resolve()
    return f"![{text}]({near.relative_to(ROOT) if near.is_relative_to(ROOT) else path})"


def _series(lines: Sequence[Line], across: str, folder: Path) -> Iterator[str]:
    """Draw a figure for each rest of a case that has points: a line for each value of *across*."""
    drawn: dict[tuple[str, str], dict[str, Sequence[tuple[float, float]]]] = {}
    for line in (line for line in lines if "points" in line):
        rest = ", ".join(str(value) for name, value in line["case"].items() if name != across)
        drawn.setdefault((rest, line["metric"]), {})[line["case"][across]] = line["points"]
    for (rest, metric), of in drawn.items():
        path = folder / f"{rest}.svg"
        seconds = max(points[-1][0] for points in of.values())
        path.write_text(figures.steps(f"{rest}: {metric}", of, seconds, 100.0))
        yield _shown(f"{rest}: {metric}", path)
