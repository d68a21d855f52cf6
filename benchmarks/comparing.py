"""Two sets of results beside each other: the ratios of their medians, and how far the spreads let them be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import Key, Line, shown, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def compared(first: Mapping[Key, Line], second: Mapping[Key, Line]) -> Iterator[str]:
    """Give a line of Markdown for each case and metric that both have, and what differs in their circumstances."""
    yield "| benchmark | case | metric | A | B | B / A (at least, at most) |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for key in (key for key in first if key in second and first[key]["values"]):
        a, b = first[key], second[key]
        case = ", ".join(f"{name} {value}" for name, value in a["case"].items())
        cells = (
            a["benchmark"],
            case,
            f"{a['metric']}, {a['unit']}",
            spread(a["values"]),
            spread(b["values"]),
            _ratio(a, b),
        )
        yield f"| {' | '.join(cells)} |"
    yield from _differences(first, second)


def _ratio(a: Line, b: Line) -> str:
    (least_a, most_a), (least_b, most_b) = a["spread"], b["spread"]
    if least_a <= 0:
        return "none: A is 0 or less"
    return f"{shown(b['median'] / a['median'])} ({shown(least_b / most_a)} to {shown(most_b / least_a)})"


def _differences(first: Mapping[Key, Line], second: Mapping[Key, Line]) -> Iterator[str]:
    only = [len(first.keys() - second.keys()), len(second.keys() - first.keys())]
    if any(only):
        yield f"\nonly in A: {only[0]}, only in B: {only[1]}"
    for name in ("commit", "dirty", "machine", "versions", "share"):
        kinds = [sorted({str(line[name]) for line in lines.values()}) for lines in (first, second)]
        if kinds[0] != kinds[1]:
            yield f"\n{name}: {', '.join(kinds[0])}; in B: {', '.join(kinds[1])}"
