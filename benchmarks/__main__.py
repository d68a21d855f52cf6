"""Measure, compare and show: ``python -m benchmarks list | run NAME | compare A B | report | renew``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks import comparing, hot_path, reporting, results, suite

FIGURES = Path(__file__).with_name("figures")
_results = click.option(
    "--results",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=results.RESULTS,
    help="The file of JSON lines.  [default: benchmarks/results.jsonl]",
)


@click.group()
def main() -> None:
    """Measure what the engine costs; each figure with its spread, the versions, the machine and the commit."""


@main.command("list")
def list_() -> None:
    """Print each benchmark and the question it answers."""
    for name in suite.NAMES:
        click.echo(f"{name:12} {suite.question(name)}")


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", type=click.Choice([*suite.NAMES, "all"]))
@click.option("--output", "path", type=click.Path(path_type=Path, dir_okay=False), default=results.RESULTS)
@click.option("--times", type=click.IntRange(1), default=5, show_default=True, help="How often each case is measured.")
@click.option("--share", type=click.FloatRange(0, min_open=True), default=1.0, help="Of each benchmark's size.")
def run(names: tuple[str, ...], path: Path, times: int, share: float) -> None:
    """Measure, and append what was measured to the file of results."""
    for name in suite.NAMES if "all" in names else names:
        click.echo(f"== {name}: {suite.question(name)}")
        for measured in suite.benchmark(name).measure(suite.Size(share, times)):
            results.append(path, [results.line(name, measured, share)])
            click.echo(measured.told())


@main.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_results
def compare(first: str, second: str, path: Path) -> None:
    """Print the ratios of B to A, each a file of results, or a commit in the one file."""
    for line in comparing.compared(*(_chosen(one, path) for one in (first, second))):
        click.echo(line)


def _chosen(name: str, path: Path) -> dict[results.Key, results.Line]:
    found = results.read(Path(name)) if Path(name).is_file() else results.read(path, name) if path.is_file() else {}
    if not found:
        raise click.BadParameter(f"{name} is neither a file of results nor a commit that {path} holds results of")
    return found


@main.command()
@_results
@click.option("--figures", "folder", type=click.Path(path_type=Path, file_okay=False), default=FIGURES)
def report(path: Path, folder: Path) -> None:
    """Print the last results as Markdown, and draw them as SVG."""
    if not path.is_file():
        raise click.BadParameter(f"{path}: there is no such file; `python -m benchmarks run NAME` writes it")
    click.echo(reporting.report(results.read(path), folder), nl=False)


@main.command()
def renew() -> None:
    """Count the hot path, and write what the tests compare it with from now on."""
    hot_path.renew()
    click.echo(f"written: {hot_path.BASELINE}, for {hot_path.build()}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
