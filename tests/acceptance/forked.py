"""Commands forked from a process that has imported them, which takes longer than most of what they do."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import FileIO

NURSERY = Path(__file__).with_name("nursery.py")
SCRIPTS = frozenset({str(Path(__file__).parents[1] / "crashes" / "launcher.py")})
"""What does the same where the command was imported before it."""
READ_AT_THE_START = ("PYTHON", "COVERAGE", "LANG", "LC_", "TZ", "LD_", "OPENSSL_")
"""How the names of variables begin that are heeded when a process starts, and not later."""


def may_be_forked(env: Mapping[str, str]) -> bool:
    """Return whether a command with *env* does what it does where it is started anew; one that is measured is not."""
    measured = any(name.startswith("COVERAGE") for name in env)
    return sys.platform == "linux" and not measured and _nursery().heeds(env)


def run(words: Sequence[str], folder: Path, env: Mapping[str, str], longest_seconds: float) -> tuple[int, bytes, bytes]:
    """Run Python with *words*, those of the command or of a script, without an input.

    Returns:
        Its exit code, stdout and stderr.

    Raises:
        TimeoutError: it took longer than *longest_seconds*, and was killed.

    """
    asked = {"words": words, "folder": str(folder), "env": dict(env), "umask": _umask()}
    with ExitStack() as opened:
        nothing = opened.enter_context(Path(os.devnull).open("rb"))
        printed, said = (opened.enter_context(TemporaryFile()) for _ in range(2))
        told, tells = os.pipe()
        news = opened.enter_context(os.fdopen(told, "rb", buffering=0))
        streams = [stream.fileno() for stream in (nothing, printed, said)]
        try:
            socket.send_fds(_nursery().control, [json.dumps(asked).encode()], [*streams, tells])
        finally:
            os.close(tells)
        process = int(_line(news, longest_seconds))
        try:
            code = int(_line(news, longest_seconds))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise
        printed.seek(0), said.seek(0)
        return code, printed.read(), said.read()


def _line(news: FileIO, longest_seconds: float) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([news], [], [], longest_seconds)[0]:
            raise TimeoutError(f"a command takes longer than {longest_seconds} s")
        more = news.read(1)
        assert more, "the process that commands are forked from is gone"
        line += more
    return line


def _umask() -> int:
    """Return the umask of now, which the process that commands are forked from does not share."""
    os.umask(umask := os.umask(0))
    return umask


@dataclass(frozen=True)
class Nursery:
    """The process that commands are forked from, as it was started; it ends when *control* is closed, as we end."""

    control: socket.socket
    env: Mapping[str, str]

    def heeds(self, env: Mapping[str, str]) -> bool:
        """Return whether *env* says what it was started with, as far as that is heeded at the start."""
        return self.env == heeded(env)


def heeded(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_THE_START)}


@cache
def _nursery() -> Nursery:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, NURSERY, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=env,
        )
    process.returncode = 0  # nobody need wait for it
    atexit.register(ours.close)
    return Nursery(ours, heeded(env))
