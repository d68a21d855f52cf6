"""A server that says the key again, whole, cut, wrapped, between control characters: nothing that comes out holds it.

The ledger, the report and the log get what the deleter gives; the key is masked before that, where an answer is heard.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import NotSent
from bulkdelete.exchange import Reply
from bulkdelete.protocol import MOST_MESSAGE_CHARACTERS
from tests.acceptance.command import CANARY_KEY
from tests.secrets import as_told, assert_nowhere, of_ours
from tests.unit.scripted import Sending, batch_of, one_after_another
from tests.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bulkdelete.records import Outcome

_KEY: Final = CANARY_KEY.encode()
_BEGINS_WITH: Final = CANARY_KEY[:4]
"""So much of a key at the end of what a server said, where its words were cut, is taken for the key's beginning."""
_STATUSES: Final = (200, 400, 401, 404, 307, 429, 500)
_ONCE: Final = {
    "retry": {"max_attempts": 2, "first_backoff_seconds": 0},
    "flow": {"max_pause_seconds": 0, "max_outage_seconds": 1},
}
WORDS: Final = (
    *(_KEY, _KEY, _KEY[:13], _KEY[13:], _KEY[:20], _KEY[5:], b"Bearer ", b"x" * 280, b"x", b" ", b"\\n", b"\n", b"\\t"),
    *(b"\x1b[0m", b"\x1b[", b"\x1b]0;", b"\x07", b"\\u001b[31m", b"\\u0000", b"\0", b"\\u200b", b"\xe2\x80\x8b"),
    *(b'{"code": 50000, "message": "', b'{"code": 40000, "message": "', b'{"code": 403131, "message": "', b'"}'),
    *(b'{"code": 40008, "message": "', b'{"code": 40127, "message": "', b'{"error": {"code": "77", "message": "'),
    *(b"\xff", b"\\ud800", b'\\"', b"<html>", b"\xc2\x85", b"\xe2\x80\xae"),
)


def echo(data: bytes, folder: Path) -> None:
    """Answer with *data* in body and headers, whatever is sent, until the batch is settled or the job would stop."""
    text = data.decode("utf-8", "replace").replace("\n", " ")
    headers = {"X-Key": text, "Location": text, "Retry-After": text[:30], "X-RateLimit-Reset": text[-30:]}
    answer = Reply(_STATUSES[len(data) % len(_STATUSES)], headers, data)
    sending, outcomes, spent = run(_sent(answer))
    told = [repr(outcomes), sending.tally.last_failure, json.dumps(spent)]
    ends = [sending.tally.last_failure, *_messages(outcomes)]
    for error in sending.raised:
        told += [str(error), *as_told(of_ours(error))]
        ends.append(str(error).removesuffix(")"))
    assert_nowhere(CANARY_KEY, texts=told)
    _assert_no_beginning(ends)


def echoes() -> Sequence[bytes]:
    hidden = "\x1b[0m".join((CANARY_KEY[:9], CANARY_KEY[9:]))
    cut = ["x" * (MOST_MESSAGE_CHARACTERS - length) + CANARY_KEY for length in (5, 10)]
    messages = (CANARY_KEY, hidden, f"{CANARY_KEY[:14]}\n{CANARY_KEY[14:]}", *cut)
    return [
        *(json.dumps({"code": code, "message": one}).encode() for code in (50000, 403131, 40000) for one in messages),
        *(one.encode() for one in messages),
    ]


def _messages(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        yield outcome.message
        if outcome.row_fate is not None:
            yield outcome.row_fate.reason


def _assert_no_beginning(texts: Iterable[str]) -> None:
    """Assert that none ends with the beginning of the key, which is too short to be found anywhere else."""
    for text in texts:
        at = text.rfind(_BEGINS_WITH)
        assert at < 0 or not CANARY_KEY.startswith(text[at:]), f"the key begins at the end of ...{text[-60:]!r}"


async def _sent(answer: Reply) -> tuple[Sending, list[Outcome], dict[str, Any]]:
    script = one_after_another(NotSent("nobody answers"), then=answer)
    sending = Sending(script, key=CANARY_KEY, seconds=0, **_ONCE)
    keeper = sending.limiter.take_over(None, None, heeds_told=True)
    return sending, [*await sending.send(batch_of(2))], keeper.spent_so_far()
