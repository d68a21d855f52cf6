"""What the server says of its limits is kept to before they are hit: never a request more than Remaining allows."""

from __future__ import annotations

import heapq
import itertools
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.quotas import Moment, Quotas, Told
from bulkdelete.quotas.telling import MOST_PROMISES
from bulkdelete.waiting import told
from tests.properties import often

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UNIX = 1_795_500_000.0
RESET = UNIX + 600


def moment(seconds: float) -> Moment:
    return Moment(UNIX + seconds, seconds)


class Model(NamedTuple):
    """A server that counts in fixed windows by a clock of its own, on a line where everything may be overtaken."""

    limit: int
    window_seconds: float
    skew_seconds: float
    dated: bool
    milliseconds: bool
    taken_by_others: int
    delays: list[float]
    lost_each: int
    tells_only_refusals: bool = False

    def headers(self, at: float, remaining: int, *, is_refused: bool = False) -> Mapping[str, str]:
        if self.tells_only_refusals and not is_refused:
            return {}
        server_now = UNIX + at + self.skew_seconds
        reset = (server_now // self.window_seconds + 1) * self.window_seconds
        headers = {"Date": formatdate(server_now, usegmt=True)} if self.dated else {}
        return headers | {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(reset * 1000) if self.milliseconds else int(reset)),
        }


class Drive:
    """A client with *permits* that sends whenever the quotas let it, against a model, in simulated time."""

    def __init__(self, model: Model, permits: int) -> None:
        self.model = model
        self.permits = permits
        self.quotas = Quotas({}, None)
        self.now = 20.0  # in the middle of a window, where the skew is small
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.delays = itertools.cycle(model.delays)
        self.counted: dict[float, int] = {self.window: model.taken_by_others}
        self.refused = 0
        self.in_flight = 0
        self.sent = 0

    @property
    def window(self) -> float:
        return (UNIX + self.now + self.model.skew_seconds) // self.model.window_seconds

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.order), act))

    def run(self, windows: int) -> None:
        """Send a first request alone, as a job does; then as many at once as there are permits."""
        self.send()
        until = self.now + max(60.0, windows * self.model.window_seconds)
        while self.events and self.now < until:
            self.now, _, act = heapq.heappop(self.events)
            act()
            self.send_all()

    def send_all(self) -> None:
        while self.in_flight < (self.permits if self.counted_any else 1):
            wait = self.quotas.wait_seconds(moment(self.now))
            if wait:
                self.later(wait, lambda: None)
                return
            self.send()

    @property
    def counted_any(self) -> bool:
        return self.sent > 1 or self.in_flight == 0

    def send(self) -> None:
        number = self.quotas.spend(moment(self.now))
        self.sent += 1
        self.in_flight += 1
        is_lost = self.sent > 1 and self.sent % self.model.lost_each == self.model.lost_each - 1
        self.later(next(self.delays), lambda: self.arrive(number, is_lost=is_lost))

    def arrive(self, number: int, *, is_lost: bool) -> None:
        taken = self.counted.get(self.window, 0)
        is_refused = taken >= self.model.limit
        if is_refused:
            self.refused += 1
        else:
            taken = self.counted[self.window] = taken + 1
        headers = self.model.headers(self.now, self.model.limit - taken, is_refused=is_refused)
        self.later(next(self.delays), lambda: self.answer(number, {} if is_lost else headers))

    def answer(self, number: int, headers: Mapping[str, str]) -> None:
        self.in_flight -= 1
        now = moment(self.now)
        self.quotas.ended(number, told(headers, now.unix), now)


MODELS = st.builds(
    Model,
    limit=st.integers(3, 60),
    window_seconds=st.sampled_from([1.0, 2.0, 3.0, 5.0, 60.0, 600.0, 3600.0]),
    skew_seconds=st.floats(-5000, 5000),
    dated=st.just(True),  # noqa: FBT003 - a strategy's value
    milliseconds=st.booleans(),
    taken_by_others=st.integers(0, 2),
    delays=st.lists(st.floats(0.01, 5), min_size=1, max_size=30),
    lost_each=st.integers(2, 9) | st.just(10**9),
    tells_only_refusals=st.just(False),  # noqa: FBT003 - a strategy's value
)


@settings(max_examples=often(150))
@given(MODELS, st.integers(1, 40))
def test_no_request_is_refused_however_answers_are_overtaken_or_lost(model, permits):
    drive = Drive(model, permits)
    drive.run(windows=5)
    assert drive.refused == 0
    assert drive.sent >= min(model.limit - model.taken_by_others, 5)


@settings(max_examples=often(100))
@given(MODELS, st.integers(1, 40), st.floats(-0.9, 0.9))
def test_without_a_date_a_skew_of_up_to_a_second_is_allowed_for(model, permits, skew):
    if model.window_seconds < 60:  # an answer that comes a second after its reset, by our clock, tells nothing
        model = model._replace(delays=[delay / 100 for delay in model.delays])
    drive = Drive(model._replace(dated=False, skew_seconds=skew, milliseconds=True), permits)
    drive.run(windows=5)
    assert drive.refused == 0


@settings(max_examples=often(100))
@given(MODELS.map(lambda model: model._replace(lost_each=10**9)), st.integers(2, 40))
def test_what_remains_is_used_to_the_last_request(model, permits):
    drive = Drive(model._replace(window_seconds=3600.0), permits)
    drive.run(windows=5)
    nothing_crossed_its_start = sorted(drive.counted)[2:5]
    assert [drive.counted[window] for window in nothing_crossed_its_start] == [model.limit] * 3


@pytest.mark.parametrize("window_seconds", [1.0, 2.0, 3.0, 10.0, 30.0, 60.0])
@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("limit", [20, 100])
def test_a_server_that_tells_only_when_it_refuses_is_used_well(window_seconds, dated, limit):
    delays = [0.01, 0.013, 0.011, 0.02]
    model = Model(limit, window_seconds, 0.3, dated, False, 0, delays, 10**9, tells_only_refusals=True)  # noqa: FBT003
    drive = Drive(model, permits=4)
    drive.run(windows=20)
    whole = [drive.counted.get(window, 0) for window in range(int(min(drive.counted)) + 1, int(max(drive.counted)))]
    assert sum(whole) >= 0.8 * limit * len(whole)
    assert drive.refused <= 0.2 * drive.sent


def say(remaining: int, reset: float = RESET, limit: int | None = 100, seconds: float = 600.0) -> Told:
    return Told(remaining, limit, reset, seconds, dated=True)


def may_leave(quotas: Quotas, seconds: float = 1.0) -> int:
    """Count how many more requests may leave, by sending them."""
    for requests in range(500):
        if quotas.wait_seconds(moment(seconds)):
            return requests
        quotas.spend(moment(seconds))
    return 500


def sent(requests: int) -> Quotas:
    quotas = Quotas({}, None)
    for _ in range(requests):
        quotas.spend(moment(0))
    return quotas


def test_nothing_leaves_after_the_last_one_until_the_reset():
    quotas = sent(1)
    quotas.ended(1, say(0), moment(1))
    assert quotas.wait_seconds(moment(1)) == pytest.approx(600, abs=0.01)
    assert quotas.wait_seconds(moment(600.9)) > 0
    assert quotas.wait_seconds(moment(601.01)) == 0


def test_what_is_in_flight_may_use_up_what_remains():
    quotas = sent(8)
    quotas.ended(1, say(10), moment(1))
    assert may_leave(quotas) == 3


def test_an_answer_that_was_overtaken_allows_nothing_that_a_later_one_forbids():
    quotas = sent(3)
    quotas.ended(3, say(2), moment(1))
    quotas.ended(1, say(4), moment(1))
    quotas.ended(2, say(3), moment(1))
    assert may_leave(quotas) == 2


def test_a_request_without_an_answer_counts_until_one_sent_after_it_tells():
    quotas = sent(3)
    quotas.ended(1, say(9), moment(1))
    quotas.ended(2, None, moment(1))
    quotas.ended(3, say(8), moment(1))
    number = quotas.spend(moment(1))
    quotas.ended(number, say(6), moment(2))
    assert may_leave(quotas) == 6


def test_a_lost_request_that_may_still_be_counted_is_allowed_for():
    quotas = sent(3)
    quotas.ended(1, None, moment(1))
    quotas.ended(2, say(9), moment(1))
    quotas.ended(3, say(8), moment(1))
    assert may_leave(quotas) == 7


def test_a_limit_that_the_server_raises_is_used_at_once():
    quotas = sent(1)
    quotas.ended(1, say(5, limit=10), moment(1))
    number = quotas.spend(moment(2))
    quotas.ended(number, say(94, limit=100), moment(2))
    assert may_leave(quotas) == 94


def test_a_limit_that_the_server_lowers_is_kept_at_once():
    quotas = sent(2)
    quotas.ended(1, say(94, limit=100), moment(1))
    quotas.ended(2, say(3, limit=10), moment(1))
    assert may_leave(quotas) == 3


def test_a_minute_and_an_hour_hold_side_by_side_whichever_the_answers_tell_of():
    quotas = sent(2)
    quotas.ended(1, say(20, reset=UNIX + 60, limit=20, seconds=60), moment(1))
    quotas.ended(2, say(30, reset=UNIX + 3600, limit=1000, seconds=3600), moment(1))
    assert may_leave(quotas) == 19
    quotas.ended(3, say(29, reset=UNIX + 3600, limit=1000, seconds=3600), moment(2))
    assert may_leave(quotas, 2) == 0
    assert quotas.wait_seconds(moment(2)) == pytest.approx(59, abs=0.01)


def test_a_new_window_is_taken_to_hold_as_many_as_the_last_until_an_answer_tells():
    quotas = sent(1)
    quotas.ended(1, say(0, limit=5, seconds=60), moment(1))
    assert may_leave(quotas, 62) == 5
    quotas.ended(2, say(40, reset=RESET + 60, limit=50, seconds=60), moment(63))
    assert may_leave(quotas, 63) == 36


def test_of_dated_answers_the_one_that_was_quickest_knows_the_reset_best_and_of_undated_ones_the_slowest():
    for dated, seconds in ((True, 599.5), (False, 600.5)):
        quotas = sent(2)
        quotas.ended(1, say(1)._replace(dated=dated), moment(0))
        quotas.ended(2, say(0, seconds=600.5)._replace(dated=dated), moment(0))
        quotas.ended(quotas.spend(moment(0)), say(0, seconds=599.5)._replace(dated=dated), moment(0))
        assert quotas.wait_seconds(moment(0)) == pytest.approx(seconds, abs=0.01)


def test_an_answer_of_a_window_that_is_over_does_not_make_its_end_a_second_beginning():
    quotas = sent(2)
    quotas.ended(1, say(0, limit=5, seconds=60), moment(0))
    assert may_leave(quotas, 61) == 4
    for number in (3, 4, 5):
        quotas.ended(number, None, moment(62))
    quotas.ended(2, say(0, limit=5, seconds=1), moment(62))
    assert may_leave(quotas, 64) == 0


def test_a_server_that_tells_no_more_holds_nobody_back_for_ever():
    quotas = sent(1)
    quotas.ended(1, say(0, limit=2, seconds=60), moment(1))
    assert may_leave(quotas, 62) == 2
    for number in (2, 3):
        quotas.ended(number, None, moment(63))
    assert quotas.wait_seconds(moment(63)) == pytest.approx(58, abs=0.1)
    assert may_leave(quotas, 123) == 500


def test_a_server_that_tells_only_when_it_refuses_gets_as_much_again_each_window_while_its_answers_are_silent():
    quotas = sent(1)
    quotas.ended(1, say(0, limit=5, seconds=10), moment(0))
    number = 1
    for window in (10.01, 20.01, 30.01, 40.01, 50.01):
        assert may_leave(quotas, window) == 5
        for _ in range(5):
            number += 1
            quotas.ended(number, None, moment(window + 1))
    assert may_leave(quotas, 71) == 500


def test_a_server_that_tells_of_what_remains_and_falls_silent_is_not_taken_to_begin_a_second_window():
    quotas = sent(2)
    quotas.ended(1, say(4, limit=5, seconds=10), moment(0))
    quotas.ended(2, say(0, limit=5, seconds=10), moment(0))
    assert may_leave(quotas, 11) == 5
    for number in range(3, 8):
        quotas.ended(number, None, moment(12))
    assert may_leave(quotas, 69) == 0


def test_a_request_that_never_left_uses_nothing_up():
    quotas = sent(3)
    quotas.ended(1, say(9), moment(1))
    quotas.ended(2, None, moment(1), left=False)
    quotas.ended(3, None, moment(1))
    assert may_leave(quotas) == 8


def test_what_was_lost_just_before_the_reset_may_count_in_the_new_window():
    quotas = sent(4)
    quotas.ended(1, say(3, limit=5, seconds=60), moment(0))
    quotas.ended(2, None, moment(59))
    assert may_leave(quotas, 61) == 5 - 1 - 2


def test_a_request_that_ends_twice_ends_once_and_one_that_never_was_says_nothing():
    quotas = sent(2)
    quotas.ended(1, say(9), moment(1))
    quotas.ended(1, say(0), moment(1))
    quotas.ended(77, say(0), moment(1))
    assert may_leave(quotas) == 8


SAID = st.lists(
    st.tuples(st.integers(0, 30), st.floats(0.001, 1e7)), min_size=9, max_size=80, unique_by=lambda one: UNIX + one[1]
)


@given(SAID)
def test_of_resets_without_number_few_are_told_apart_and_the_strictest_is_kept(said):
    quotas = sent(len(said))
    for number, (remaining, seconds) in enumerate(said, 1):
        quotas.ended(number, say(remaining, UNIX + seconds, None, seconds), moment(0))
    assert len(quotas.snapshot()["told"]) <= MOST_PROMISES
    strictest = min(remaining - (len(said) - number) for number, (remaining, _) in enumerate(said, 1))
    assert may_leave(quotas, 0) <= max(0, strictest)


def test_what_the_server_said_outlives_the_process():
    quotas = sent(3)
    quotas.ended(1, say(10), moment(1))
    left = quotas.snapshot()["told"][0][2]
    assert left == 10 - 2
    cleanly = Quotas.restored({}, 3, quotas.snapshot(clean=True), moment(100))
    assert may_leave(cleanly, 100) == 8
    assert cleanly.wait_seconds(moment(100)) == pytest.approx(501, abs=0.01)
    assert may_leave(Quotas.restored({}, None, quotas.snapshot(), moment(700)), 700) == 100


def test_after_a_crash_what_the_server_said_counts_the_allowance_as_sent():
    quotas = Quotas({"day": 1000}, 4)
    quotas.saved(quotas.snapshot())
    quotas.ended(quotas.spend(moment(0)), say(10), moment(1))
    again = Quotas.restored({"day": 1000}, None, quotas.snapshot(), moment(2))
    assert may_leave(again, 2) == 10 - 4


NUMBERS = st.one_of(
    st.integers(-5, 200).map(str),
    st.sampled_from(["", "nan", "inf", "-inf", "-0", "1e9", "9" * 15, "9" * 10_000, "0x1", "½", "1.5", "0"]),
    st.floats(UNIX - 1000, UNIX + 1e8).map(lambda reset: f"{reset:.0f}"),
    st.floats(UNIX - 1000, UNIX + 1e8).map(lambda reset: f"{reset * 1000:.0f}"),
    st.text(max_size=8),
)
DATES = st.floats(UNIX - 1e9, UNIX + 1e9).map(lambda date: formatdate(date, usegmt=True)) | st.text(max_size=20)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "X-RateLimit-Limit": NUMBERS,
        "X-RateLimit-Remaining": NUMBERS,
        "X-RateLimit-Reset": NUMBERS,
        "Date": DATES,
    },
)


@settings(max_examples=often(150))
@given(st.lists(st.tuples(HEADERS, st.floats(0, 100), st.integers(0, 5)), max_size=30))
def test_no_headers_whatever_break_anything_or_let_more_leave_than_none_would(answers):
    heeding, deaf = Quotas({"minute": 20}, None), Quotas({"minute": 20}, None)
    seconds = 0.0
    for headers, later, requests in answers:
        seconds += later
        now = moment(seconds)
        for _ in range(requests):
            assert deaf.wait_seconds(now) <= heeding.wait_seconds(now) <= 367 * 86_400
            number = heeding.spend(now)
            deaf.left(deaf.spend(now), now)
            heeding.ended(number, told(headers, now.unix), now)
        Quotas.restored({"minute": 20}, None, heeding.snapshot(clean=True), now)
