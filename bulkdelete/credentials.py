"""The API key: where it comes from, when it is read again, and that nobody sees it."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bulkdelete.errors import CredentialsError
from bulkdelete.masking import masked
from bulkdelete.piping import Pipe
from bulkdelete.settings import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from bulkdelete.settings import Settings

ReadKey: TypeAlias = Callable[[], str | Awaitable[str]]

_COMMAND_SECONDS = 30.0
_END_WITHIN_SECONDS = 2.0
"""How long the end of a reading that nobody wants any more is awaited: it is a caller's function."""
_PIPE_SECONDS = 30.0
_LOOK_AT_STOP_MILLISECONDS = 50
_MOST_KEY_BYTES = 16_384
_NAMES_NOTHING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(slots=True)
class _Reading:
    """The key being read, and how many wait for it."""

    task: asyncio.Task[str]
    waiting: int = 0


class Credentials:
    """One API key, read when it is first needed and, if it can be, again when the API no longer takes it."""

    def __init__(self, key: str | SecretStr | ReadKey) -> None:
        key = masked(key)
        self._read = key if callable(key) else None
        self._key = None
        if not callable(key):
            with _nothing_sent_yet():
                self._key = _checked(key if isinstance(key, str) else masked(key.get_secret_value()))
        self._reading: _Reading | None = None
        self._read_again_in_vain = ""

    def __repr__(self) -> str:
        return f"<Credentials {'read on demand' if self._read else 'fixed'}>"

    @property
    def known(self) -> str | None:
        """The key in use, or ``None`` where it was not read yet."""
        return self._key

    async def key(self) -> str:
        """Return the key in use, read before anything is sent. Raises :class:`CredentialsError` where it cannot be."""
        if self._key is not None:
            return self._key
        with _nothing_sent_yet():
            return await self._read_once()

    async def renew(self, refused: str) -> bool:
        """Read the key again after the API refused *refused*; return whether there is another one to try.

        Raises:
            CredentialsError: it can no longer be read.

        """
        if self._read is None or refused == self._read_again_in_vain:
            return False
        if self._key == refused and await self._read_once() == refused:
            self._read_again_in_vain = refused
        return self._key != refused

    async def _read_once(self) -> str:
        """Read the key, once for all who want it at the same time; the last who no longer wants it ends the reading."""
        reading = self._reading
        if reading is None or reading.task.done():
            reading = self._reading = _Reading(asyncio.create_task(self._fresh(), name="bulkdelete key"))
            reading.task.add_done_callback(_retrieve)  # also when nobody waits for it any more
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if not (reading.waiting or reading.task.done()):
                self._reading = None  # whoever wants it now has it read anew
                reading.task.cancel()
                await asyncio.wait({reading.task}, timeout=_END_WITHIN_SECONDS)

    async def _fresh(self) -> str:
        assert self._read is not None  # noqa: S101 - both callers have looked
        try:
            key = masked(self._read())
            key = masked(key if isinstance(key, str) else await key)
        except CredentialsError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's function may raise any, with the key in its text
            raise CredentialsError(f"the API key cannot be read: {type(error).__name__}") from None
        self._key = _checked(key)
        return self._key


def credentials_from(settings: Settings) -> Credentials:
    """Return the credentials that the environment (``BULKDELETE_API_KEY``) or *settings* name.

    Raises:
        CredentialsError: none of the three places names a key.

    """
    key = ApiKey().api_key
    if key is not None and key.get_secret_value():
        return Credentials(key)
    if settings.api_key_file:
        return Credentials(_KeyFile(settings.api_key_file).read)
    if settings.api_key_command:
        return Credentials(lambda: run_key_command(settings.api_key_command))
    raise CredentialsError(
        "no API key: set the environment variable BULKDELETE_API_KEY, or api_key_file or api_key_command in the "
        "configuration. Nothing was sent"
    )


class _KeyFile:
    """The file at *path*; a pipe, such as a shell's ``<(...)``, gives its key once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pipe = _Pipe()

    async def read(self) -> str:
        stop = threading.Event()
        try:
            return await asyncio.to_thread(read_key_file, self._path, stop, self._pipe)
        finally:
            stop.set()


class _Pipe:
    """What was read so far of a pipe, which stays open until its end: who writes the key is not cut off in between."""

    def __init__(self) -> None:
        self.alone = threading.Lock()
        self._read = b""
        self._is_whole = False
        self._descriptor: int | None = None

    def __del__(self) -> None:
        self._close()

    def is_at(self, path: str) -> bool:
        """Return whether it was read, at least in part, and *path* names nothing else since."""
        if self._descriptor is None:
            return self._is_whole
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._descriptor))  # noqa: PTH116 - as is of a descriptor
        except OSError:  # whoever wrote may have removed it
            return True

    def begin(self, descriptor: int) -> None:
        """Let *descriptor* be read from now on, and nothing of another."""
        self._close()
        self._read, self._descriptor = b"", descriptor

    def read_on(self, path: str, stop: threading.Event) -> str:
        """Return the key, once all is read; waiting for that ends soon after *stop* is set."""
        until = time.monotonic() + _PIPE_SECONDS
        while not self._is_whole:
            if stop.is_set() or time.monotonic() >= until:
                raise CredentialsError(f"{path}: nobody wrote the API key into this pipe within {_PIPE_SECONDS:.0f} s")
            self._read_more()
        return self._read.decode("utf-8", "replace")

    def _read_more(self) -> None:
        assert self._descriptor is not None  # noqa: S101 - it is open until all is read
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(_LOOK_AT_STOP_MILLISECONDS):
            before = len(self._read)
            self._read += os.read(self._descriptor, _MOST_KEY_BYTES)
            if not before < len(self._read) <= _MOST_KEY_BYTES:
                self._is_whole = True
                self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def read_key_file(path: str, stop: threading.Event | None = None, pipe: _Pipe | None = None) -> str:
    """Return the key in the file or pipe *path*; waiting for a pipe ends soon after *stop* is set.

    What was read of a pipe until then is in *pipe*, and the next reading goes on with it.

    Raises:
        CredentialsError: it cannot be read, others may read it, it is something else, or nobody writes into the pipe.

    """
    stop, pipe = stop or threading.Event(), pipe or _Pipe()
    try:
        with pipe.alone:  # a reading that was told to stop may still be at it
            if pipe.is_at(path):
                return pipe.read_on(path, stop)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISDIR(mode := found.st_mode):
                    raise CredentialsError(f"{path}: the API key file is a directory. Name the file that holds the key")
                if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                    raise CredentialsError(f"{path}: the API key file is neither a file nor a pipe")
                _check_closed_to_others(path, found)
                if stat.S_ISREG(mode):
                    return os.read(descriptor, _MOST_KEY_BYTES).decode("utf-8", "replace")
                pipe.begin(os.dup(descriptor))
            finally:
                os.close(descriptor)
            return pipe.read_on(path, stop)
    except OSError as error:
        raise CredentialsError(f"{_shown(path, error)}: the API key file cannot be read: {error.strerror}") from None


def _check_closed_to_others(path: str, found: os.stat_result) -> None:
    """Refuse what others may read. Root alone can give a file to a service's group: Kubernetes and systemd do."""
    if found.st_uid == 0 != os.geteuid():
        open_to, then = stat.S_IWGRP | stat.S_IRWXO, f"let root run: chmod 440 {path}, or mount it with mode 0440"
    else:
        open_to, then = stat.S_IRGRP | stat.S_IROTH, f"run: chmod 600 {path}"
    if found.st_mode & open_to:
        raise CredentialsError(f"{path}: the API key file is open to others; {then}")


def _shown(name: str, error: OSError) -> str:
    """Return *name* as an error may show it: what names nothing may be the key itself, put in the wrong place."""
    if error.errno not in _NAMES_NOTHING:
        return name
    folder = next(folder for folder in (*map(str, Path(name).parents), ".") if os.path.isdir(folder))  # noqa: PTH112 - as it is no error for a long name
    return f"{folder.rstrip('/')}/... (the rest is not shown, as it may be the key itself)"


@contextmanager
def _nothing_sent_yet() -> Iterator[None]:
    """Let an error say that nothing was sent, as is so before there is a first key."""
    try:
        yield
    except CredentialsError as error:
        raise CredentialsError(f"{error}. Nothing was sent") from None


def _retrieve(reading: asyncio.Task[str]) -> None:
    if not reading.cancelled():
        reading.exception()


async def run_key_command(words: tuple[str, ...]) -> str:
    """Return what the command *words* prints; raises :class:`CredentialsError` with its exit code, not its output."""
    try:
        with Pipe() as said:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=said.writing, stderr=asyncio.subprocess.DEVNULL
            )
            printed = await _printed(words[0], process, said)
    except OSError as error:
        problem = f"api_key_command: {_shown(words[0], error)} cannot be run: {error.strerror}"
        raise CredentialsError(problem) from None
    if process.returncode:
        printed = b""  # a traceback may show it
        raise CredentialsError(f"api_key_command: {words[0]} ended with exit code {process.returncode}")
    return printed.decode("utf-8", "replace")


async def _printed(name: str, process: asyncio.subprocess.Process, said: Pipe) -> bytes:
    """Return what *process*, the command *name*, prints; it does not outlive this."""
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            printed = await said.drain()
            await process.wait()
            return printed
    except TimeoutError:
        raise CredentialsError(f"api_key_command: {name} did not end within {_COMMAND_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _checked(raw: object) -> str:
    key = masked(raw.strip() if isinstance(raw, str) else "")
    del raw
    if not key:
        raise CredentialsError("the API key is empty")
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > _MOST_KEY_BYTES:
        raise CredentialsError("the API key holds a space, a control character or a letter outside ASCII")
    return key
