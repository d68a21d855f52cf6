"""What is said when something is refused or goes wrong: on stderr, and as JSON on stdout where that is asked for."""

from __future__ import annotations

import errno
import json
import logging
import os
import traceback

import click

from bulkdelete.cli import exits, talking
from bulkdelete.errors import RAISE_THE_LIMIT, BulkDeleteError, LedgerError, SettingsError, is_out_of_files
from bulkdelete.terminal import harmless
from bulkdelete.threads import NO_THREAD

INTERRUPTED = "interrupted: nothing is running any more"
_MOST_CHARACTERS = 2000


def refuse(error: BulkDeleteError, *, as_json: bool) -> int:
    """Say why nothing more is done, and where that is asked for as an object too; return the exit code."""
    complain(error)
    code = exits.of_error(error)
    if as_json:
        click.echo(refusal_as_json(message_of(error), code))
    return code


def refusal_as_json(reason: str, exit_code: int) -> str:
    """Return the JSON object for a command that was refused before there was anything to print."""
    return json.dumps({"ended": "refused", "reason": reason, "exit_code": exit_code})


def complain(error: BaseException) -> None:
    """Say on stderr what went wrong: one message for what bulkdelete raises on purpose, else a traceback, a fault."""
    if not isinstance(error, BulkDeleteError) and lack_behind(error) is None:
        talking.say("".join(traceback.format_exception(error)).rstrip(), logging.ERROR)
    talking.say(f"bulkdelete: {message_of(error)}", logging.ERROR, {"error": type(error).__name__})


def message_of(error: BaseException) -> str:
    """Return what *error* says to a person, harmless for a terminal; those without words of others keep their lines."""
    if (lack := lack_behind(error)) is not None:
        return f"{lack}, and run the same command again. What a ledger held before is still in it"
    if not isinstance(error, BulkDeleteError):
        return (
            f"a fault of bulkdelete itself ({type(error).__name__}). What a ledger held before is still in it; please "
            "report the traceback above"
        )
    lines = str(error).splitlines() if isinstance(error, SettingsError | LedgerError) else [str(error)]
    return "\n".join(harmless(line, _MOST_CHARACTERS) for line in lines)


def lack_behind(error: BaseException) -> str | None:
    """Return what the machine lacks, and what to do, where that is behind *error*, which is no fault of bulkdelete."""
    if is_out_of_files(error):
        return f"there are too few file descriptors ({os.strerror(errno.EMFILE)}): {RAISE_THE_LIMIT}"
    if isinstance(error, MemoryError):
        return "there is too little memory: let the process have more"
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        return f"there are too few threads ({NO_THREAD}): let the process have more, such as by its pids limit"
    return None
