"""Whatever the API answers, in whatever order: each open record has one outcome, and it is what was answered."""

from __future__ import annotations

import asyncio
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, NotSent
from bulkdelete.exchange import Reply
from bulkdelete.records import Fate
from tests.properties import often
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    NO_KEY,
    NO_TABLE,
    OK,
    PAUSED,
    REFUSED,
    TOO_LARGE,
    Keys,
    Sending,
    answer,
    batch_of,
)
from tests.virtual_time import run

STOP = "the job is asked to stop"
SCRIPTS = st.lists(
    st.sampled_from(
        [
            *[OK, OK, REFUSED, REFUSED, REFUSED, FAILED, FAILED, BAD_GATEWAY, TOO_LARGE, PAUSED, NO_TABLE, NO_KEY],
            answer(12345),
            answer(40008, Retry_After="5"),
            answer(40008, Retry_After="3600"),
            AnswerLost("lost"),
            NotSent("no connection"),
            ConnectionRefusedForGood("the certificate does not verify"),
            STOP,
        ]
    ),
    max_size=40,
)
CERTAINLY_NOT_SENT = (NotSent, ConnectionRefusedForGood)
PERHAPS_APPLIED = [FAILED, BAD_GATEWAY, answer(12345)]


class Model:
    """What the script has answered about each record, to hold the outcomes against."""

    def __init__(self, answers, then) -> None:
        self.answers = answers
        self.then = then
        self.said: dict[str, list] = {}
        self.sending: Sending | None = None

    def __call__(self, request):
        said = self.answers[request.number] if request.number < len(self.answers) else self.then
        if said == STOP:
            self.sending.stop.ask()
            said = OK
        for record in request.records:
            self.said.setdefault(record, []).append((said, len(request.records)))
        return said

    def check(self, outcome, *, ambiguous: bool) -> None:
        for row in outcome.batch.rows:
            if outcome.first_row <= row < outcome.end_row:
                self._check(row, outcome, ambiguous=ambiguous)

    def _check(self, row, outcome, *, ambiguous: bool) -> None:
        said = self.said.get(str(row), [])
        if outcome.fate is Fate.ACKNOWLEDGED:
            assert said[-1] == (OK, outcome.records)
        elif outcome.fate is Fate.REJECTED:
            assert said[-1] == (REFUSED, 1)
            unknown = any(isinstance(one, AnswerLost) or one in PERHAPS_APPLIED for one, _ in said)
            assert ("got no final answer" in outcome.row_fate.reason) == (unknown or ambiguous)
            in_part = any(one == REFUSED and records > 1 for one, records in said)
            assert in_part or "applied in part" not in outcome.row_fate.reason
        elif outcome.fate is Fate.PENDING:
            assert all(isinstance(one, CERTAINLY_NOT_SENT) for one, _ in said)  # no server saw it
            assert not ambiguous
        else:
            assert (OK, outcome.records) not in said
            assert ambiguous or not all(isinstance(one, CERTAINLY_NOT_SENT) for one, _ in said)
            self._check_last_answer(said, outcome)

    def _check_last_answer(self, said, outcome) -> None:
        heard = [one for one, _ in said if isinstance(one, Reply)]
        if heard and said[-1][0] is heard[-1]:
            is_json = heard[-1].body.startswith(b"{")
            assert outcome.code == (json.loads(heard[-1].body)["code"] if is_json else None)
            assert outcome.http_status == heard[-1].status
            assert outcome.request_id


@settings(max_examples=often(400))
@given(
    SCRIPTS,
    st.sampled_from([OK, REFUSED, FAILED]),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "keys": st.sampled_from([("old", "new"), ("old", None), (None,)]),
            "stopped_after_seconds": st.none() | st.floats(0, 60),
            "splitting": st.fixed_dictionaries(
                {"stop_when_wholly_wrong": st.booleans(), "max_requests_per_batch": st.sampled_from([1, 5, 1400])}
            ),
            "retry": st.fixed_dictionaries({"max_attempts": st.integers(1, 4)}),
        }
    ),
)
@example(
    [REFUSED, OK],
    REFUSED,
    [1, 11],
    False,  # noqa: FBT003 - as the strategies give it
    {
        "keys": ("old", "new"),
        "stopped_after_seconds": None,
        "splitting": {"stop_when_wholly_wrong": True, "max_requests_per_batch": 1},
        "retry": {"max_attempts": 1},
    },
)
def test_the_outcomes_cover_each_open_record_once_and_tell_what_was_answered(answers, then, sizes, ambiguous, sections):
    sections = dict(sections)
    keys, stopped_after_seconds = sections.pop("keys"), sections.pop("stopped_after_seconds")

    async def play() -> None:
        model = Model(answers, then)
        sending = model.sending = Sending(model, key=Keys(*keys), **sections)
        if stopped_after_seconds is not None:
            asyncio.get_running_loop().call_later(stopped_after_seconds, sending.stop.ask)
        batches = [
            batch_of(size, first_row=100 * at, ambiguous=ambiguous, sent=ambiguous, stored=ambiguous, spans=spans(size))
            for at, size in enumerate(sizes)
        ]
        outcomes = await sending.send_all(*batches)  # which checks that they cover the batches
        for outcome in outcomes:
            model.check(outcome, ambiguous=ambiguous)
        assert max((len(request.records) for request in sending.requests), default=0) <= max(sizes)
        assert sending.limiter.in_flight == 0
        assert sending.tally.requests == len(sending.requests)

    def spans(size):
        return (range(size),) if not ambiguous or size < 5 else (range(2), range(3, size))

    run(play())
