"""Whether what the canary showed is right: a person at the terminal says so, or a command's exit code."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from subprocess import STDOUT
from typing import TYPE_CHECKING, Final

from bulkdelete.cli import reporting, talking
from bulkdelete.cli.asking import bare, forget_typed
from bulkdelete.errors import SettingsError
from bulkdelete.piping import Pipe, Program
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from bulkdelete.orders import Check
    from bulkdelete.progress import Progress
    from bulkdelete.reports import Report
    from bulkdelete.settings import CanarySettings

_YES: Final = "yes"
_STDERR: Final = 2
_MOST_SAID_BYTES: Final = 2**16
_KEY: Final = "BULKDELETE_API_KEY"


def check_of(settings: CanarySettings, progress: Progress) -> Check | None:
    """Return who is asked about the canary that *settings* want, if they want one.

    Raises:
        SettingsError: nobody can be asked, or the command is not there.

    """
    if not settings.records:
        return None
    if settings.check_command:
        words = settings.check_command
        if shutil.which(words[0]) is None:
            raise SettingsError(
                f"canary.check_command: {harmless(words[0])} is not there, or cannot be run. Nothing was sent. A path "
                "is taken from the folder of the configuration; a name without a slash is looked for in PATH"
            )

        async def by_command(report: Report) -> bool:
            with progress.hidden():
                return await _run(words, reporting.as_json(report))

        return by_command
    if sys.stdin is None or not sys.stdin.isatty():
        raise SettingsError(
            "a canary is looked at before the rest is sent, and there is no terminal to ask: set canary.check_command "
            "in the configuration. Nothing was sent"
        )

    async def by_person(report: Report) -> bool:
        with progress.hidden():
            talking.say(reporting.as_text(report))
            return await _ask("Is this right, and should the rest be sent? Type yes: ") == _YES

    return by_person


async def _run(words: tuple[str, ...], report: str) -> bool:
    """Return whether the command *words*, with *report* on its standard input, ends with exit code 0."""
    try:
        with Pipe() as told, Pipe() as said:
            outputs = (said.writing, STDOUT) if talking.is_json() else (_STDERR, None)
            env = {name: value for name, value in os.environ.items() if name != _KEY}
            program = Program(words, (told.reading, *outputs), env, apart=True)
            try:
                saying = said.drain(_MOST_SAID_BYTES, reads_on=True)
                _, lines = await asyncio.gather(told.feed(report.encode() + b"\n"), saying)
                await program.wait()
            finally:
                program.kill()
                await program.wait()
    except OSError as error:
        talking.say(f"canary.check_command: {harmless(words[0])} cannot be run: {error.strerror}")
        return False
    for line in lines[:_MOST_SAID_BYTES].decode(errors="replace").split("\n"):
        if line:
            talking.say(f"canary.check_command: {line}")
    name = harmless(words[0])
    if len(lines) > _MOST_SAID_BYTES:
        talking.say(f"canary.check_command: {name} said more than {_MOST_SAID_BYTES:,} bytes: the rest is not shown")
    talking.say(f"canary.check_command: {name} ended with exit code {program.exit_code}")
    return program.exit_code == 0


async def _ask(question: str) -> str:
    """Return the line that is typed at the terminal; an empty one at its end."""
    loop = asyncio.get_running_loop()
    forget_typed()
    sys.stderr.write(bare(question))
    sys.stderr.flush()
    typed: asyncio.Future[str] = loop.create_future()
    terminal = sys.stdin.fileno()

    def take() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    blocks = os.get_blocking(terminal)
    loop.add_reader(terminal, take)
    os.set_blocking(terminal, blocks)  # uvloop changes that, also for the shell, whose terminal it is
    try:
        return (await typed).strip()
    finally:
        loop.remove_reader(terminal)
