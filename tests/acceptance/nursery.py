"""A process that has imported the command and does nothing but fork: each child becomes one command, or a script.

Run by its path with the number of a socket, over which requests come; it ends when that is closed. A command is a
process of its own, with its own signals, files, directory and environment, and ends as the interpreter does: but for
taking apart what it was born with, which would copy all of that first, and take a third of a short command's time.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec

from bulkdelete import api, cli
from bulkdelete.cli import commands

MOST_BYTES = 2**20
NAMES = ("stdin", "stdout", "stderr")
LATER = ("encodings.idna", "uvloop") if find_spec("uvloop") else ("encodings.idna",)
"""What is imported once a command runs."""
for name in (*(f"bulkdelete.cli.{command}" for command in commands.group.list_commands(None)), *LATER):
    importlib.import_module(name)
assert api
gc.freeze()  # so that a child does not look through, and copy, all that it was born with


def next_command(control: socket.socket) -> list[str]:
    """Return the words after Python's name, in the process that is to be it and in no other."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, len(NAMES) + 1)
        if not asked:
            sys.exit()
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
    control.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, told = descriptors
    if command := os.fork():
        wait_for(command, streams, told)
    for number, (name, stream) in enumerate(zip(NAMES, streams, strict=True)):
        os.dup2(stream, number)
        setattr(sys, name, opened(number, getattr(sys, name)))
    os.closerange(len(NAMES), max(descriptors) + 1)
    signal.signal(signal.SIGINT, interrupted)
    wanted = json.loads(asked)
    os.umask(wanted["umask"])
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    return wanted["words"]


def opened(number: int, before: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a standard stream as the interpreter opens it: what *before* knows of its file is true no longer."""
    stream = os.fdopen(number, "wb" if number else "rb", closefd=False)
    return io.TextIOWrapper(stream, before.encoding, before.errors, "\n", before.line_buffering)


def wait_for(command: int, streams: list[int], told: int) -> None:
    """Tell the id of the process *command*, and when it has ended what became of it."""
    for stream in streams:
        os.close(stream)
    os.write(told, b"%d\n" % command)
    _, status = os.waitpid(command, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def run(words: list[str]) -> None:
    """Be the command, or the script, of *words*, to its end."""
    sys.argv = words
    code: object = None
    try:
        if words[0] == "-m":
            del words[0]
            cli.main()
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        if code is None or isinstance(code, int):
            os._exit(code or 0)
    sys.exit(code)  # the interpreter tells what cannot be written


run(next_command(socket.socket(fileno=int(sys.argv[1]))))
