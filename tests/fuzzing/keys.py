"""The key is at hand whatever is fuzzed, in the environment as a user's is, and nothing that is said holds it.

Some targets are given it besides: a server's answer (echo), a configuration, a plan. To the others nothing that they
read can be said to hold it: a source's rows and a ledger's values are records, which are told, and who reads a reply's
code, a header or the spent quotas is never given a key.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Final
from unittest import mock

from tests.acceptance.command import CANARY_KEY
from tests.secrets import as_told, assert_nowhere, everything_logged, of_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_VARIABLE: Final = "BULKDELETE_API_KEY"


@contextlib.contextmanager
def at_hand() -> Iterator[None]:
    """Hold that nothing which is printed or logged meanwhile tells the key that is in the environment."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {KEY_VARIABLE: CANARY_KEY}),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        everything_logged() as logged,
    ):
        yield
    assert_nowhere(CANARY_KEY, texts=[printed.getvalue(), *logged])


def check_told(error: Exception) -> None:
    """Hold that *error* says something, and the key nowhere: not in the locals of our frames either."""
    assert str(error)
    assert_nowhere(CANARY_KEY, texts=as_told(of_ours(error), by_rich=False))
