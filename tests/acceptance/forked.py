"""Commands forked from a process that has imported them, which takes longer than most of what they do."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NURSERY = Path(__file__).with_name("nursery.py")
SCRIPTS = frozenset({str(Path(__file__).parents[1] / "crashes" / "launcher.py")})
"""What does the same where the command was imported before it."""
READ_AT_THE_START = ("PYTHON", "COVERAGE", "LANG", "LC_", "TZ", "LD_", "OPENSSL_")
"""How the names of variables begin that are heeded when a process starts, and not later."""


def may_be_forked(env: Mapping[str, str]) -> bool:
    """Return whether a command with *env* does what it does where it is started anew; one that is measured is not."""
    measured = any(name.startswith("COVERAGE") for name in env)
    return sys.platform == "linux" and not measured and _nursery().heeds(env)


class Process:
    """A forked command: as much of :class:`asyncio.subprocess.Process`, which one started anew is, as is used."""

    stdin: asyncio.StreamWriter | None = None
    returncode: int | None = None

    def __init__(self, pid: int, stdout: _Read, stderr: _Read, news: _Read) -> None:
        self.pid = pid
        self.stdout, self.stderr = stdout.reader, stderr.reader
        self._reading = stdout.transport, stderr.transport, news.transport
        self._ending = asyncio.create_task(self._end(news.reader))

    async def wait(self) -> int:
        """Return its exit code, once it has ended."""
        return await asyncio.shield(self._ending)

    async def communicate(self, given: bytes | None = None) -> tuple[bytes, bytes]:
        """Write what is *given* to it and close its input; return all that it prints, once it has ended."""
        _, printed, said, _ = await asyncio.gather(
            self._feed(given), self.stdout.read(), self.stderr.read(), self.wait()
        )
        return printed, said

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Hear nothing more of it."""
        for transport in self._reading:
            transport.close()
        if self.stdin is not None:
            self.stdin.close()

    async def _feed(self, given: bytes | None) -> None:
        if self.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                if given:
                    self.stdin.write(given)
                await self.stdin.drain()
            self.stdin.close()

    async def _end(self, news: asyncio.StreamReader) -> int:
        self.returncode = int(await news.readline())
        return self.returncode


async def start(words: Sequence[str], folder: Path, env: Mapping[str, str], *, is_fed: bool) -> Process:
    """Run Python with *words*, those of the command or of a script; it has an input where it *is_fed*."""
    asked = {"words": words, "folder": str(folder), "env": dict(env), "umask": _umask()}
    input_reads, input_writes = os.pipe() if is_fed else (os.open(os.devnull, os.O_RDONLY), None)
    pipes = [os.pipe() for _ in ("stdout", "stderr", "news")]
    theirs = [input_reads, *(writes for _, writes in pipes)]
    try:
        socket.send_fds(_nursery().control, [json.dumps(asked).encode()], theirs)
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    stdout, stderr, news = [await _read(reads) for reads, _ in pipes]
    pid = await news.reader.readline()
    assert pid, "the process that commands are forked from is gone"
    process = Process(int(pid), stdout, stderr, news)
    if input_writes is not None:
        process.stdin = await _written(input_writes)
    return process


class _Read(NamedTuple):
    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _read(descriptor: int) -> _Read:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return _Read(reader, transport)


async def _written(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb", buffering=0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


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
