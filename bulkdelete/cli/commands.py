"""The commands, each imported when it is asked for, so that it starts quickly, and the one place that ends them."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from contextlib import nullcontext
from typing import Any, Final

import click

from bulkdelete.cli import beginning, exits, talking
from bulkdelete.cli.complaining import INTERRUPTED, complain, refusal_as_json, refuse
from bulkdelete.cli.stderr import Talk
from bulkdelete.errors import BulkDeleteError
from bulkdelete.version import VERSION

_COMMANDS: Final = {
    "plan": "Show what run would do; nothing is sent.",
    "run": "Delete the records that a file names.",
    "status": "Say how far a job is.",
    "failures": "List the rows that are not acknowledged.",
    "verify": "Check that a ledger holds together and is as it was.",
    "emulator": "Run the API itself on this machine.",
    "demo": "Watch a million records go, with proof, on this machine only.",
}
_SIGPIPE_EXIT: Final = 141
_OUTPUT_IS_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


class _Commands(click.Group):
    """The commands, each from its own module ``bulkdelete.cli.<name>``, and the one place that ends in exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bulkdelete.cli.{cmd_name}").command
        beginning.heed_ctrl_c()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except BulkDeleteError as error:
            ctx.exit(refuse(error, as_json="--json" in sys.argv))
        except KeyboardInterrupt as interrupt:
            if not talking.is_json():
                click.echo(err=True)
            talking.say(INTERRUPTED)
            ctx.exit(exits.of_error(interrupt))
        except BrokenPipeError:
            ctx.exit(_SIGPIPE_EXIT)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, it has an exit code, and not Python's 1
            if isinstance(fault, OSError) and fault.errno in _OUTPUT_IS_FULL:
                talking.say(f"bulkdelete: the output cannot be written: {fault.strerror}")
                ctx.exit(exits.PERSON_NEEDED)
            complain(fault)
            ctx.exit(exits.of_error(fault))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="bulkdelete", message="%(prog)s %(version)s")
def group() -> None:
    """Delete millions of records through a batch API: exactly the ones you meant, whatever dies on the way.

    Try it first with: bulkdelete demo
    """


def main(*, passing: bool) -> None:
    """Run the command in ``sys.argv`` and exit with its code; *passing* is click's ``obj``."""
    _make_streams_sure()
    with talking.logged("json", None) if talking.asks_for_json(sys.argv) else nullcontext():
        code = _main(passing=passing)
    _leave(code if isinstance(code, int) else exits.DONE)


def _main(*, passing: bool) -> object:
    try:
        return group.main(prog_name="bulkdelete", standalone_mode=False, obj=passing)
    except click.ClickException as error:
        if talking.is_json():
            talking.say(f"bulkdelete: {error.format_message()}", logging.ERROR, {"error": type(error).__name__})
        else:
            error.show()
        if "--json" in sys.argv:
            click.echo(refusal_as_json(error.format_message(), exits.REFUSED))
        return exits.REFUSED
    except (click.Abort, KeyboardInterrupt):
        return exits.SIGINT_EXIT


def _make_streams_sure() -> None:
    """See to it that what cannot be shown ends no job: closed streams lead nowhere, and nobody waits for stderr."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = Talk(sys.stderr, talking.lost)


def _leave(code: int) -> None:
    """Exit with *code*; a reader of our output that has gone away is no reason for a traceback."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            talking.say(f"bulkdelete: the output cannot be written: {error.strerror}")
            code = code or exits.PERSON_NEEDED
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
    sys.exit(code)
