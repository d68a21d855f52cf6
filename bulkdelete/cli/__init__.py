"""The command line: arguments and a TOML file -> a job -> an exit code; the only owner of signals and the terminal.

The commands are imported when they are asked for, so that each starts quickly.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

import click

from bulkdelete.cli import exits
from bulkdelete.cli.complaining import complain
from bulkdelete.errors import BulkDeleteError
from bulkdelete.version import VERSION

_COMMANDS: Final = ("run", "status", "failures", "emulator", "demo")
_SIGPIPE_EXIT: Final = 141


class _Commands(click.Group):
    """The commands, each from its own module ``bulkdelete.cli.<name>``, and the one place that ends in exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bulkdelete.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except BulkDeleteError as error:
            complain(error)
            ctx.exit(exits.of_error(error))
        except KeyboardInterrupt:
            click.echo("\ninterrupted: nothing is running any more", err=True)
            ctx.exit(exits.SIGINT_EXIT)
        except BrokenPipeError:
            ctx.exit(_SIGPIPE_EXIT)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is ours, and it has an exit code
            complain(fault)
            ctx.exit(exits.of_error(fault))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="bulkdelete", message="%(prog)s %(version)s")
def group() -> None:
    """Delete millions of records through a batch API: exactly the ones you meant, whatever dies on the way.

    Try it first with: bulkdelete demo
    """


def main() -> None:
    """Run the command in ``sys.argv`` and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = group.main(prog_name="bulkdelete", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = exits.REFUSED
    except (click.Abort, KeyboardInterrupt):
        code = exits.SIGINT_EXIT
    _leave(code if isinstance(code, int) else exits.DONE)


def _leave(code: int) -> None:
    """Exit with *code*; a reader of our output that has gone away is no reason for a traceback."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
    sys.exit(code)
