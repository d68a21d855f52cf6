"""The live line on a terminal: the only user of rich, in a module of its own because rich is slow to import."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulkdelete.progress import Pace, news_of, told, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.job import Job
    from bulkdelete.progress import Expected

FRAME_SECONDS: Final = 0.2
"""How often the line is drawn."""
_BAR_CHARACTERS: Final = 24


class Bar:
    """Draws one live line on the terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._is_hidden = False

    async def follow(self, job: Job, expected: Expected) -> None:
        """Draw *job* a few times a second, and when there is news."""
        pace = Pace()
        with self._live as live, news_of(job) as news:
            try:
                while True:
                    if not self._is_hidden:
                        _draw(live, job, pace, expected)
                    await until(news, FRAME_SECONDS)
            finally:
                _draw(live, job, pace, expected)

    def say(self, line: str) -> None:
        """Write *line* above the live line."""
        self._console.print(Text(line), soft_wrap=True)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the live line from the terminal meanwhile."""
        self._is_hidden = True
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()
            self._is_hidden = False


def _draw(live: Live, job: Job, pace: Pace, expected: Expected) -> None:
    now = job.snapshot()
    pace.take(now)
    rows = expected.rows(now.rows)
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=rows, completed=now.settled, width=_BAR_CHARACTERS, pulse=rows is None)
    line.add_row(bar, Text(" | ".join(told(job, now, pace, expected))))
    live.update(line, refresh=True)
