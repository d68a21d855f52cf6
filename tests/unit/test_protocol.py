"""The wire format: every body is what orjson makes of the plain form, and every answer has one meaning."""

from __future__ import annotations

import json
import math

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete import protocol
from bulkdelete.protocol import advice, classify, code_table, encode, entry_bytes, envelope_bytes
from bulkdelete.records import Filter, Verdict, VerdictKind

TABLE = "673af861ed69656ac0895b07"
TEXT = st.text()  # all of Unicode but lone surrogates
RISKY = st.text('"\\\n\r\t\x00\x1f\x7f\x80  é中😀/{}[]:,', max_size=8)
IDS = st.one_of(st.integers(0, 10**20).map(str), TEXT, RISKY)
VALUES = st.one_of(TEXT, RISKY, st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, width=64))
FILTERS = st.builds(Filter, TEXT, VALUES.filter(lambda value: not isinstance(value, float) or math.isfinite(value)))
LONE_SURROGATES = st.characters(categories=["Cs"])


def plain_form(table_id, records) -> dict:
    entries = [
        {"filter": {record.column: record.value}} if isinstance(record, Filter) else {"record_id": record}
        for record in records
    ]
    return {"table_id": table_id, "delete_data": entries}


@given(TEXT, st.lists(IDS, max_size=30))
@example(TABLE, ["a\nb"])
@example(TABLE, ["a", "b\n"])
@example(TABLE, ["", "\n"])
@example(TABLE, [""])
@example(TABLE, ['","record_id":"'])
def test_a_body_of_ids_is_what_orjson_makes_of_the_plain_form(table_id, ids):
    assert encode(table_id, ids) == orjson.dumps(plain_form(table_id, ids))


@given(st.lists(st.one_of(IDS, FILTERS), max_size=20))
@example([Filter("id", "789"), "123456"])
def test_a_body_of_ids_and_filters_is_what_orjson_makes_of_the_plain_form(records):
    assert encode(TABLE, records) == orjson.dumps(plain_form(TABLE, records))


@pytest.mark.no_cover  # long, and reaches nothing that others do not
def test_a_body_holds_each_character_of_unicode_as_orjson_writes_it():
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for start in range(0, len(characters), 0x1000):
        ids = characters[start : start + 0x1000]
        assert encode(TABLE, ids) == orjson.dumps(plain_form(TABLE, ids))
    plain = [character for character in characters if character not in '"\\' and character >= " "]
    assert encode(TABLE, plain) == orjson.dumps(plain_form(TABLE, plain))


def test_the_document_s_own_request_is_what_goes_out():
    body = encode(TABLE, ["123456", Filter("id", "789")])
    assert json.loads(body) == {
        "table_id": "673af861ed69656ac0895b07",
        "delete_data": [{"record_id": "123456"}, {"filter": {"id": "789"}}],
    }


@given(st.lists(TEXT, max_size=3), TEXT, LONE_SURROGATES, TEXT, st.lists(TEXT, max_size=3))
def test_a_lone_surrogate_is_refused_wherever_it_stands(before, left, surrogate, right, after):
    text = left + surrogate + right
    for record in (text, Filter("column", text), Filter(text, "value")):
        with pytest.raises(ValueError, match="surrogates"):
            encode(TABLE, [*before, record, *after])
    with pytest.raises(ValueError, match="surrogates"):
        encode(text, before)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_refused_and_never_sent_as_null(value):
    with pytest.raises(ValueError, match=r"(?i)integer|number"):
        encode(TABLE, [Filter("column", value)])


@given(st.lists(st.one_of(IDS, FILTERS), max_size=20))
def test_the_sizes_foretell_the_body(records):
    foretold = envelope_bytes(TABLE) + sum(map(entry_bytes, records))
    assert len(encode(TABLE, records)) == foretold - bool(records)


def test_a_request_of_1000_common_ids_is_35_kilobytes():
    ids = [str(541278230707963208 + number) for number in range(1000)]
    assert 35_000 <= len(encode(TABLE, ids)) <= 36_000


# --- answers

KIND = VerdictKind
OK_MESSAGE = b'{\n    "code": 0,\n    "message": "OK"\n}\n\n'


def answer(code, message="what the API says", **more) -> bytes:
    return json.dumps({"code": code, "message": message, **more}).encode()


def error_envelope(code, status) -> bytes:
    return json.dumps({"error": {"code": code, "message": "what the API says", "status": status}}).encode()


def test_the_document_s_success_answer_acknowledges():
    assert classify(200, {}, OK_MESSAGE) == Verdict(KIND.ACKNOWLEDGED, 0, "OK", 200)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (40000, "Invalid parameters", KIND.INVALID),
        (50000, "Internal system error", KIND.RETRY),
        (403106, "Table not found", KIND.FATAL),
        (403131, "No permission to access table", KIND.FATAL),
    ],
)
def test_the_document_s_error_answers_mean_what_it_says(code, message, kind):
    for status in (200, 400, 403, 404, 500):
        verdict = classify(status, {}, answer(code, message))
        assert verdict == Verdict(kind, code, message, status, ambiguous=kind is KIND.RETRY)


GATE = {
    **dict.fromkeys((40127, 40107), KIND.UNAUTHORIZED),
    **dict.fromkeys((40113, 40353, 20055, 20059, 40378, 20022, 40379), KIND.FATAL),
    40008: KIND.PAUSE,
}


@pytest.mark.parametrize("status", [200, 201, 301, 400, 401, 404, 413, 429, 500, 502])
@pytest.mark.parametrize("code", GATE)
def test_a_known_code_decides_whatever_the_status_and_the_envelope(code, status):
    for body in (answer(code), error_envelope(str(code), status), error_envelope(code, status)):
        verdict = classify(status, {}, body)
        assert (verdict.kind, verdict.code, verdict.http_status) == (GATE[code], code, status)
        assert verdict.message == "what the API says"
        assert not verdict.ambiguous


BY_STATUS = {
    **dict.fromkeys((408, 425, 500, 501, 502, 503, 504, 507, 520, 599), KIND.RETRY),
    **dict.fromkeys((300, 301, 302, 303, 304, 307, 308, 403, 404), KIND.FATAL),
    401: KIND.UNAUTHORIZED,
    413: KIND.TOO_LARGE,
    429: KIND.PAUSE,
}
NO_CODE = {
    **BY_STATUS,
    **dict.fromkeys((200, 201, 202, 204, 299), KIND.RETRY),
    **dict.fromkeys((402, 405, 406, 409, 410, 418, 422, 451, 499), KIND.UNKNOWN),
    400: KIND.INVALID,
}
WITHOUT_A_CODE = {
    "empty": b"",
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "cut off": b'{"code": 0, "mess',
    "a list": b'[{"code": 0}]',
    "a string": b'"OK"',
    "a number": b"0",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "the third envelope": b'{"fail_count": 0}',
    "the third envelope, failed": b'{"fail_count": 3, "message": "some failed"}',
    "the code is false": b'{"code": false}',
    "the code is true": b'{"code": true}',
    "the code is 0.0": b'{"code": 0.0}',
    "the code is -0.0": b'{"code": -0.0}',
    "the code is a string": b'{"code": "0"}',
    "the code is null": b'{"code": null}',
    "the code is a list": b'{"code": [0]}',
    "a key twice": b'{"code": 0, "code": 40000}',
    "a key twice, the other way": b'{"code": 40000, "code": 0}',
    "a key twice below": b'{"code": 0, "data": {"a": 1, "a": 2}}',
    "nested too deep": b'{"code": 0, "data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "objects nested too deep": b'{"a":' * 10_000 + b"0" + b"}" * 10_000,
    "an integer of 5000 digits": b'{"code": 0, "data": ' + b"9" * 5000 + b"}",
    "a code of 5000 digits": b'{"code": ' + b"9" * 5000 + b"}",
    "a code of 4000 digits": b'{"code": ' + b"9" * 4000 + b"}",
    "a code of 20 digits": b'{"code": 18446744073709551616}',
    "bytes that are no text": b'{"code": 0, "message": "\xff\xfe"}',
    "an error envelope that says 0": b'{"error": {"code": "0", "message": "", "status": 200}}',
    "an error envelope that says 0 as a number": b'{"error": {"code": 0, "message": "", "status": 200}}',
    "an error envelope with words for a code": b'{"error": {"code": "not_found", "message": "", "status": 404}}',
    "an error envelope without a code": b'{"error": {"message": "", "status": 500}}',
    "an error that is a string": b'{"error": "no"}',
    "an error envelope with digits of another script": '{"error": {"code": "٤٠٠٠٠"}}'.encode(),
    "an error envelope with too many digits": b'{"error": {"code": "40000000000000000000"}}',
}


@pytest.mark.parametrize("body", WITHOUT_A_CODE.values(), ids=WITHOUT_A_CODE)
def test_without_a_code_the_status_decides_and_nothing_is_acknowledged(body):
    for status, kind in NO_CODE.items():
        verdict = classify(status, {}, body)
        assert (verdict.kind, verdict.code, verdict.http_status) == (kind, None, status)
        assert verdict.ambiguous == (kind in {KIND.RETRY, KIND.UNKNOWN})


@pytest.mark.parametrize("code", [1, -1, 7, 40001, 50001, 99999, 2**31, 2**63 - 1])
def test_an_unknown_code_is_retried_with_a_status_that_is_and_tried_twice_more_with_any_other(code):
    for status in NO_CODE:
        expected = BY_STATUS.get(status, KIND.UNKNOWN)
        verdict = classify(status, {}, answer(code))
        assert (verdict.kind, verdict.code) == (expected, code)
        assert verdict.ambiguous == (expected in {KIND.RETRY, KIND.UNKNOWN})


@pytest.mark.parametrize("status", [status for status in NO_CODE if not 200 <= status < 300])
def test_code_0_is_no_success_without_a_status_of_success(status):
    verdict = classify(status, {}, OK_MESSAGE)
    assert verdict.kind is BY_STATUS.get(status, KIND.UNKNOWN)
    assert verdict.code == 0


@pytest.mark.parametrize("message", ["OK", "success", "", "删除成功"])
def test_the_message_of_a_success_is_never_compared(message):
    assert classify(200, {}, answer(0, message)).kind is KIND.ACKNOWLEDGED
    assert classify(200, {}, b'{"code": 0}').kind is KIND.ACKNOWLEDGED
    assert classify(200, {}, b'{"code": 0, "message": {"text": "OK"}}').message == ""


def test_what_cannot_be_read_is_quoted_in_part():
    verdict = classify(502, {}, b"<html>\xff" + b"x" * 5000)
    assert verdict.message.startswith("<html>�xx")
    assert len(verdict.message) <= 300
    assert classify(200, {}, answer(50000, "x" * 5000)).message == "x" * 300


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode), st.integers(100, 599))
def test_no_answer_whatever_breaks_the_reading(body, status):
    verdict = classify(status, {}, body, now_unix_seconds=0.0)
    acknowledged = verdict.kind is KIND.ACKNOWLEDGED
    assert not acknowledged or (200 <= status < 300 and json.loads(body)["code"] == 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "error", "message", "status"]), children, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(sorted(NO_CODE)))
def test_only_a_2xx_object_whose_own_code_is_the_integer_0_acknowledges(plain, status):
    verdict = classify(status, {}, json.dumps(plain).encode())
    code = plain.get("code") if isinstance(plain, dict) else None
    success = 200 <= status < 300 and type(code) is int and code == 0
    assert (verdict.kind is KIND.ACKNOWLEDGED) == success
    assert verdict.code is None or -(2**63) <= verdict.code < 2**63


# --- waits and overrides


def test_a_pause_and_a_retry_carry_the_wait_that_the_headers_ask_for_and_nothing_else_does():
    headers = {"Retry-After": "7"}
    for status, body in [(200, answer(40008)), (429, b""), (503, b"<html>"), (200, answer(50000))]:
        assert classify(status, headers, body).retry_after_seconds == 7
    for status, body in [(200, answer(40000)), (200, answer(0)), (403, b""), (413, b""), (401, b"")]:
        assert classify(status, headers, body).retry_after_seconds is None
    assert classify(429, {}, b"").retry_after_seconds is None


def test_the_reset_of_a_quota_is_a_wait_for_who_is_refused_and_no_failure_s():
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1007"}
    assert classify(429, headers, b"", now_unix_seconds=1000).retry_after_seconds == 7
    assert classify(503, headers, b"", now_unix_seconds=1000).retry_after_seconds is None


def test_the_configuration_can_give_codes_another_meaning():
    codes = code_table({40000: "retry", 50000: "fatal", 77: "pause", 78: "invalid", 79: "too_large"})
    expected = {40000: KIND.RETRY, 50000: KIND.FATAL, 77: KIND.PAUSE, 78: KIND.INVALID, 79: KIND.TOO_LARGE}
    for code, kind in expected.items():
        assert classify(200, {}, answer(code), codes).kind is kind
    assert classify(200, {}, answer(403106), codes).kind is KIND.FATAL
    assert classify(200, {}, answer(40000)).kind is KIND.INVALID
    assert protocol.CODES[40000] is KIND.INVALID


def test_no_configuration_can_take_the_meaning_of_code_0_or_give_it_to_another():
    assert classify(200, {}, OK_MESSAGE, code_table({0: "fatal"})).kind is KIND.ACKNOWLEDGED


@pytest.mark.parametrize("code", [code for code, kind in protocol.CODES.items() if kind in {"fatal", "unauthorized"}])
def test_the_advice_for_a_fatal_code_names_the_code_and_what_the_api_said(code):
    said = advice(classify(200, {}, answer(code)))
    assert f"code {code}: what the API says" in said
    assert len(said) > 40


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 403, 404])
def test_the_advice_for_a_fatal_status_names_the_status(status):
    assert f"HTTP {status}" in advice(classify(status, {}, b""))


def test_the_advice_without_an_answer_is_what_the_transport_said():
    assert advice(Verdict(KIND.FATAL, message="the certificate does not verify")) == "the certificate does not verify"
