"""What is said on stderr when something is refused or goes wrong."""

from __future__ import annotations

import errno
import logging
import os
import traceback

from bulkdelete.cli import talking
from bulkdelete.errors import RAISE_THE_LIMIT, BulkDeleteError, LedgerError, SettingsError, is_out_of_files
from bulkdelete.terminal import harmless

_MOST_CHARACTERS = 2000


def complain(error: BaseException) -> None:
    """Say on stderr what went wrong: one message for what bulkdelete raises on purpose, else a traceback, a fault."""
    if not isinstance(error, BulkDeleteError) and not is_out_of_files(error):
        talking.say("".join(traceback.format_exception(error)).rstrip(), logging.ERROR)
    talking.say(f"bulkdelete: {message_of(error)}", logging.ERROR, {"error": type(error).__name__})


def message_of(error: BaseException) -> str:
    """Return what *error* says to a person, harmless for a terminal; those without words of others keep their lines."""
    if is_out_of_files(error):
        return (
            f"there are too few file descriptors ({os.strerror(errno.EMFILE)}): {RAISE_THE_LIMIT}, and run the same "
            "command again. What a ledger held before is still in it"
        )
    if not isinstance(error, BulkDeleteError):
        return (
            f"a fault of bulkdelete itself ({type(error).__name__}). What a ledger held before is still in it; please "
            "report the traceback above"
        )
    lines = str(error).splitlines() if isinstance(error, SettingsError | LedgerError) else [str(error)]
    return "\n".join(harmless(line, _MOST_CHARACTERS) for line in lines)
