"""The file or pipe that holds the API key: who else may read it, and what is said where it cannot be read."""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
import time
from functools import partial
from pathlib import Path
from typing import Final

from bulkdelete.errors import CredentialsError
from bulkdelete.threads import in_thread

MOST_KEY_BYTES: Final = 16_384
_PIPE_SECONDS = 30.0
_LOOK_AT_STOP_MILLISECONDS = 50
_NAMES_NOTHING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


class KeyFile:
    """The file at *path*; a pipe, such as a shell's ``<(...)``, gives its key once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pipe = _Pipe()

    async def read(self) -> str:
        """Return the key; raises as :func:`read_key_file` does."""
        stop = threading.Event()
        try:
            read = partial(read_key_file, self._path, stop, self._pipe)
            return await in_thread(read, "read the API key", CredentialsError)
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
            self._read += os.read(self._descriptor, MOST_KEY_BYTES)
            if not before < len(self._read) <= MOST_KEY_BYTES:
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
                    return os.read(descriptor, MOST_KEY_BYTES + 1).decode("utf-8", "replace")
                pipe.begin(os.dup(descriptor))
            finally:
                os.close(descriptor)
            return pipe.read_on(path, stop)
    except OSError as error:
        raise CredentialsError(f"{shown(path, error)}: the API key file cannot be read: {error.strerror}") from None


def _check_closed_to_others(path: str, found: os.stat_result) -> None:
    """Refuse what others may read. Root alone can give a file to a service's group: Kubernetes and systemd do."""
    if found.st_uid == 0 != os.geteuid():
        open_to, then = stat.S_IWGRP | stat.S_IRWXO, f"let root run: chmod 440 {path}, or mount it with mode 0440"
    else:
        open_to, then = stat.S_IRGRP | stat.S_IROTH, f"run: chmod 600 {path}"
    if found.st_mode & open_to:
        raise CredentialsError(f"{path}: the API key file is open to others; {then}")


def shown(name: str, error: OSError) -> str:
    """Return *name* as an error may show it: what names nothing may be the key itself, put in the wrong place."""
    if error.errno not in _NAMES_NOTHING:
        return name
    folder = next(folder for folder in (*map(str, Path(name).parents), ".") if os.path.isdir(folder))  # noqa: PTH112 - as it is no error for a long name
    return f"{folder.rstrip('/')}/... (the rest is not shown, as it may be the key itself)"
