"""Plots as plain SVG: steps over time, and bars with their spreads."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 150, 30, 34
POINTS = 700
BAR, BARS_WIDTH, BARS_RIGHT, LETTER = 24, 380, 80, 7
COLOURS = ("#b3b3b3", "#1b7837", "#d95f02", "#7570b3", "#e7298a")


def steps(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], seconds: float, most: float) -> str:
    """Draw *lines*, each by its name: (time in seconds, value from then on); the first one is grey."""
    parts = _head(title, HEIGHT)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _x(share * seconds, seconds), _y(share * most, most)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.0f}" y2="{y:.0f}" stroke="#e5e5e5"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{share * most:g}</text>',
            f'<text x="{x:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{share * seconds:g} s</text>',
        ]
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        label_y = TOP + 14 + 18 * number
        width = 3 if number < 2 else 1.2
        parts += [
            f'<path d="{_path(points, seconds, most)}" fill="none" stroke="{colour}" stroke-width="{width}"/>',
            f'<text x="{WIDTH - RIGHT + 10}" y="{label_y}" fill="{colour}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def bars(title: str, of: Mapping[str, tuple[float, float, float]]) -> str:
    """Draw a bar for each of *of*, by its name: a median, the least and the greatest value."""
    most = max((greatest for _, _, greatest in of.values()), default=0.0) or 1.0
    left = LEFT + LETTER * max(map(len, of), default=0)
    parts = _head(title, TOP + BAR * len(of) + 10, left + BARS_WIDTH + BARS_RIGHT)
    for number, (name, values) in enumerate(of.items()):
        top = TOP + BAR * number
        middle, ends = top + BAR / 2, [left + max(0.0, value) / most * BARS_WIDTH for value in values]
        parts += [
            f'<text x="{left - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{top + 4}" width="{ends[0] - left:.1f}" height="{BAR - 8}" fill="{COLOURS[1]}"/>',
            f'<line x1="{ends[1]:.1f}" x2="{ends[2]:.1f}" y1="{middle:.0f}" y2="{middle:.0f}" stroke="black"/>',
            f'<text x="{max(ends) + 6:.1f}" y="{middle + 4:.0f}">{values[0]:,.4g}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _head(title: str, height: int, width: int = WIDTH) -> list[str]:
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            'font-size="12">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
    ]


def _path(points: Sequence[tuple[float, float]], seconds: float, most: float) -> str:
    """Draw the steps, at most so many of them: of those that are closer, the last."""
    kept = {int(time / seconds * POINTS): (time, value) for time, value in points if time <= seconds}
    drawn: list[str] = []
    for time, value in kept.values():
        drawn.append(f"{'H' if drawn else 'M'}{_x(time, seconds):.1f}" + ("" if drawn else f" {_y(value, most):.1f}"))
        drawn.append(f"V{_y(value, most):.1f}")
    return " ".join([*drawn, f"H{_x(seconds, seconds):.1f}"])


def _x(time: float, seconds: float) -> float:
    return LEFT + time / seconds * (WIDTH - LEFT - RIGHT)


def _y(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - min(value / most, 1.0) * (HEIGHT - TOP - BOTTOM)
