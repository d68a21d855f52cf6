"""The command line: arguments and a TOML file -> a job -> an exit code; the only owner of signals and the terminal."""

from __future__ import annotations

from bulkdelete.cli import beginning


def main(*, passing: bool = False) -> None:
    """Run the command in ``sys.argv`` and exit with its code.

    *passing*: the server is gone when the command has ended, and perhaps the files too; click's ``obj`` says so.
    """
    beginning.heed_signals()
    from bulkdelete.cli import commands  # noqa: PLC0415 - it takes long, and signals are heeded meanwhile

    commands.main(passing=passing)
