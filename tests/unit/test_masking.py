"""A masked text can be sent and compared, and is not seen."""

from __future__ import annotations

import time

import pytest

from bulkdelete.masking import MASK, Masked, masked, without, without_passwords

SECRET = "canary-7f3a91-never-print-me"


def test_a_masked_text_is_the_text_and_its_repr_is_a_mask():
    key = masked(SECRET)
    assert key == SECRET
    assert f"Bearer {key}" == f"Bearer {SECRET}"
    assert repr(key) == repr(key[:20]) == repr([key])[1:-1] == repr(MASK)


@pytest.mark.parametrize("value", [None, 5, b"bytes", print])
def test_what_is_no_text_is_left_as_it_is(value):
    assert masked(value) is value


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("OK", "OK"),
        ("", ""),
        (f"bad {SECRET}!", f"bad {MASK}!"),
        (f"{SECRET}{SECRET}", MASK + MASK),
        (f"bad {SECRET[:-1]}", f"bad {MASK}"),
        (f"{SECRET} and {SECRET[:4]}", f"{MASK} and {MASK}"),
        (f"ends with {SECRET[:3]}", f"ends with {SECRET[:3]}"),
        (f"wrapped {SECRET[:13]} {SECRET[13:]}", f"wrapped {MASK} {MASK}"),
        (f"...{SECRET[-12:]} is no key, nor {SECRET[5:20]}...", f"...{MASK} is no key, nor {MASK}..."),
        (f"{SECRET[:14]}{SECRET[10:]}", MASK),
        (f"too little of it: {SECRET[-7:]}", f"too little of it: {SECRET[-7:]}"),
        (f"bad {SECRET[:9]}*{SECRET[10:]}!", f"bad {MASK}*{MASK}!"),
        (f"bad {SECRET[5:13]}", f"bad {MASK}"),
        (f"bad {SECRET[5:12]}!", f"bad {SECRET[5:12]}!"),
    ],
)
def test_a_secret_in_a_text_is_taken_out_also_where_the_text_was_cut_in_it(text, left):
    assert without(Masked(SECRET), text) == left


PASSWORDS = [
    ("postgres://u:{}@h/db", "postgres://u:***@h/db"),
    ("redis://:{}@h:6379 is gone", "redis://:***@h:6379 is gone"),
    ("amqp://u@corp:{}@h", "amqp://u@corp:***@h"),
    ("host=h password={} user=u", "host=h password=*** user=u"),
    ("PGPASSWORD={}", "PGPASSWORD=***"),
    ("Driver=x;PWD={};UID=u", "Driver=x;PWD=***;UID=u"),
    ("Uid=u;Pwd = {};", "Uid=u;Pwd = ***;"),
    ("?user=u&password={}", "?user=u&password=***"),
    ("{{'user': 'u', 'password': '{}', 'host': 'h'}}", "{'user': 'u', 'password': ***, 'host': 'h'}"),
    ('connect(passwd="{}")', "connect(passwd=***)"),
    ("db_passphrase: {}", "db_passphrase: ***"),
    ("pass={}", "pass=***"),
    ("client_secret={} api_key={}", "client_secret=*** api_key=***"),
]


@pytest.mark.parametrize(("form", "left"), PASSWORDS)
@pytest.mark.parametrize("password", ["hunter2", "p@ss/w:rd", "a,b&c=d", "***"])
def test_a_password_in_what_others_say_is_taken_out(form, left, password):
    assert without_passwords(form.format(password, password)) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("password='it''s; two' x", "password=*** x"),
        (r"password='a\'b c' x", "password=*** x"),
        ("PWD={a;b}}c};UID=u", "PWD=***;UID=u"),
        ("PWD=two words;UID=u", "PWD=***;UID=u"),
        ("Password=two words;User ID=u", "Password=***;User ID=u"),
        ("password=a;b host=h", "password=*** host=h"),
    ],
)
def test_so_is_one_that_is_quoted_or_holds_what_may_end_it(text, left):
    assert without_passwords(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        'FATAL: password authentication failed for user "u"',
        "https://h:443/a?b=c",
        "postgres://h/db, asked by u@x.org",
        "unexpected token: 5",
        "bypass=1 compass: north",
        "column pwd_hash is missing",
    ],
)
def test_what_is_no_password_stays(text):
    assert without_passwords(text) == text


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("piece", ["://a:", "pwd:", "pwd: ", "pwd=", "pwd='", "pass={", ";", "password=;"])
def test_a_text_of_any_length_is_soon_looked_through(piece):
    began = time.process_time()
    without_passwords(piece * 100_000)
    assert time.process_time() - began < 5
