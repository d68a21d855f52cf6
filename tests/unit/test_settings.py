"""Settings: frozen, validated, unknown keys refused with the nearest name, and no key among them."""

from __future__ import annotations

import typing

import pytest
from pydantic import ValidationError

from bulkdelete.errors import SettingsError
from bulkdelete.records import VerdictKind
from bulkdelete.settings import ApiKey, Settings, StopOptions, StopSettings, check_base_url


def refusal(values, where: str = "") -> str:
    with pytest.raises(SettingsError) as refused:
        Settings.from_mapping(values, where)
    return str(refused.value)


# --- names


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base_ulr": "https://altatech.ai"}, "base_ulr is not a setting; did you mean base_url?"),
        ({"tabel_id": "x"}, "tabel_id is not a setting; did you mean table_id?"),
        ({"batch": {"sise": 5}}, "batch.sise is not a setting; did you mean size?"),
        ({"retry": {"max_atempts": 5}}, "retry.max_atempts is not a setting; did you mean max_attempts?"),
        ({"flow": {"concurency": 5}}, "flow.concurency is not a setting; did you mean concurrency?"),
        ({"stop": {"xyzzy": 5}}, "stop.xyzzy is not a setting"),
        ({"limits": {"limit": 5}}, "limits is not a setting"),
        ({"api_key": "sk-canary"}, "api_key is not a setting; did you mean api_key_file?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_valid_one(values, said):
    assert refusal(values).startswith(said)


def test_every_fault_is_told_with_the_file_it_stands_in():
    said = refusal({"batch": {"size": 0, "sise": 5}, "flow": {"concurrency": "many"}}, "purge.toml").splitlines()
    assert len(said) == 3
    assert all(line.startswith("purge.toml: ") for line in said)
    assert [line.split()[1] for line in said] == ["batch.size:", "batch.sise", "flow.concurrency:"]


def test_a_refused_setting_never_shows_its_value():
    assert "sk-canary" not in refusal({"api_key": "sk-canary", "base_url": "https://user:sk-canary@host"})


# --- ranges

RANGES = {
    "batch.size": (1, 1000),
    "batch.max_body_bytes": (4096, None),
    "batch.max_id_characters": (1, 4096),
    "source.max_line_bytes": (1024, 16 * 1024 * 1024),
    "source.max_expansion": (1, None),
    "holds.max_line_bytes": (1024, 16 * 1024 * 1024),
    "holds.max_expansion": (1, None),
    "holds.max_age_seconds": (0.001, None),
    "http.connect_timeout_seconds": (0.001, 600),
    "http.answer_timeout_seconds": (0.001, 3600),
    "retry.max_attempts": (1, 100),
    "retry.max_elapsed_seconds": (0.001, None),
    "retry.first_backoff_seconds": (0, None),
    "retry.max_backoff_seconds": (0, None),
    "flow.min_concurrency": (1, None),
    "flow.max_concurrency": (1, 1024),
    "flow.max_concurrency_per_call": (1, 1024),
    "flow.requests_per_second": (1, None),
    "flow.requests_per_minute": (1, None),
    "flow.requests_per_hour": (1, None),
    "flow.requests_per_day": (1, None),
    "flow.max_outage_seconds": (0.001, None),
    "flow.max_pause_seconds": (0, None),
    "flow.cancel_grace_seconds": (0, None),
    "splitting.max_requests_per_batch": (1, None),
    "splitting.max_requests_per_job": (0, None),
    "stop.limit": (0, None),
    "stop.max_failures": (0, None),
    "stop.max_records": (0, None),
    "stop.expect": (0, None),
    "stop.max_duration_seconds": (0.001, None),
    "canary.records": (0, None),
}


@pytest.mark.parametrize("name", RANGES)
def test_a_number_is_taken_within_its_range_and_refused_outside_of_it(name):
    section, key = name.split(".")
    least, most = RANGES[name]
    for value in (least, *([] if most is None else [most])):
        settings = Settings.from_mapping({section: {key: value}})
        assert getattr(getattr(settings, section), key) == value
    for value in (least - 1, -1, "many", float("nan"), float("inf"), *([] if most is None else [most + 1])):
        assert refusal({section: {key: value}}).startswith(f"{name}: ")


@pytest.mark.parametrize(("given", "taken"), [("adaptive", "adaptive"), (1, 1), (1024, 1024), ("16", 16)])
def test_concurrency_is_a_number_or_finds_itself(given, taken):
    assert Settings.from_mapping({"flow": {"concurrency": given}}).flow.concurrency == taken


@pytest.mark.parametrize("given", [0, 1025, "many", "", True, 1.5, None, "-1"])
def test_any_other_concurrency_is_refused(given):
    said = refusal({"flow": {"concurrency": given}})
    assert said == 'flow.concurrency: must be "adaptive" or a whole number from 1 to 1024'


def test_a_floor_above_the_ceiling_is_refused():
    assert "is above max_concurrency, 64" in refusal({"flow": {"min_concurrency": 100}})


def test_every_number_of_the_settings_stands_in_the_table_of_ranges():
    sections = {name: section for name, section in vars(Settings()).items() if hasattr(section, "model_dump")}
    numbers = {
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in type(section).model_fields.items()
        if field.annotation in {int, float, int | None, float | None}
    }
    assert numbers == set(RANGES)


def test_no_request_can_be_configured_to_hold_more_than_1000_records():
    assert "less than or equal to 1000" in refusal({"batch": {"size": 1001}})


# --- the address


@pytest.mark.parametrize(
    "url",
    [
        "https://altatech.ai",
        "https://eu.altatech.ai:8443/gateway",
        "http://localhost",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "https://[fe80::1%25eth0]:8443",
        "https://my_host.example:",
        "https://bücher.example",
    ],
)
def test_https_is_taken_anywhere_and_http_on_this_machine_and_a_trailing_slash_goes(url):
    assert check_base_url(url) == url
    assert Settings(base_url=f"{url}/").base_url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://altatech.ai", "must be https"),
        ("http://10.0.0.1", "must be https"),
        ("http://0.0.0.0:8080", "must be https"),
        ("http://localhost.evil.example", "must be https"),
        ("http://127.0.0.1.evil.example", "must be https"),
        ("http://2130706433", "must be https"),
        ("ftp://altatech.ai", "must look like https://host"),
        ("altatech.ai", "must look like https://host"),
        ("https://", "must look like https://host"),
        ("https:///path", "must look like https://host"),
        ("", "must look like https://host"),
        ("https://user@altatech.ai", "must hold no user name"),
        ("https://user:password@altatech.ai", "must hold no user name"),
        ("https://@altatech.ai", "must hold no user name"),
        ("https://altatech.ai?a=1", "must hold no .*query or fragment"),
        ("https://altatech.ai#a", "must hold no .*query or fragment"),
        ("https://altatech.ai/a b", "must hold no space"),
        ("https://altatech\n.ai", "must hold no space.* control character"),
        ("https://altatech.ai:0", "must not name port 0"),
        ("https://altatech.ai:99999", "[Pp]ort out of range"),
        ("https://altatech.ai:http", "Port could not be cast"),
        (f"https://{'a' * 64}.ai", "label"),
        ("https://altatech.ai\\", "must name a host"),
        ("https://altatech.ai\\evil.example", "must name a host"),
        ("https://altatech.ai|evil.example:443", "must name a host"),
        ("https://[::1]x", "must name a host|Invalid IPv6"),
        ("https://[::1]x:443", "must name a host|Invalid IPv6"),
    ],
)
def test_any_other_address_is_refused(url, said):
    with pytest.raises(ValueError, match=said):
        check_base_url(url)
    assert refusal({"base_url": url}).startswith("base_url: ")


# --- codes


def test_codes_can_be_given_another_meaning_by_their_names_in_a_file():
    settings = Settings.from_mapping({"codes": {"40000": "retry", "77": "pause"}})
    assert settings.codes == {40000: "retry", 77: "pause"}


@pytest.mark.parametrize("meaning", [kind.value for kind in VerdictKind if kind is not VerdictKind.ACKNOWLEDGED])
def test_every_meaning_but_success_can_be_given(meaning):
    assert Settings.from_mapping({"codes": {"77": meaning}}).codes == {77: meaning}


@pytest.mark.parametrize(("code", "meaning"), [("0", "retry"), ("77", "acknowledged"), ("77", ""), ("code", "retry")])
def test_no_code_can_be_made_a_success_and_0_nothing_else(code, meaning):
    assert refusal({"codes": {code: meaning}}).startswith("codes")


# --- frozen, and without a key


def test_settings_are_frozen():
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.table_id = "another"
    with pytest.raises(ValidationError):
        settings.batch.size = 5


def test_the_defaults_are_valid_and_survive_a_round_trip():
    assert Settings.from_mapping(Settings().model_dump()) == Settings()
    assert Settings.from_mapping({}) == Settings()


def test_the_api_key_is_read_from_the_environment_and_masked(monkeypatch):
    monkeypatch.setenv("BULKDELETE_API_KEY", "sk-canary")
    key = ApiKey()
    assert key.api_key is not None
    assert key.api_key.get_secret_value() == "sk-canary"
    assert "sk-canary" not in f"{key!r} {key} {key.model_dump()} {key.model_dump_json()}"


def test_settings_are_not_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("BULKDELETE_TABLE_ID", "another")
    assert Settings().table_id == ""


def test_a_pattern_that_is_no_regular_expression_is_refused_with_its_place():
    with pytest.raises(SettingsError, match=r"identifiers\.t\.pattern: is no regular expression"):
        Settings.from_mapping({"identifiers": {"t": {"pattern": "["}}})
    assert Settings.from_mapping({"identifiers": {"t": {"pattern": "[0-9]+"}}}).identifiers["t"].pattern == "[0-9]+"


@pytest.mark.parametrize("encoding", ["undefined", "idna", "punycode"])
def test_an_encoding_that_only_pretends_to_decode_is_refused(encoding):
    with pytest.raises(SettingsError, match=r"source\.encoding: .* is no text encoding"):
        Settings.from_mapping({"source": {"encoding": encoding}})


def test_what_a_call_may_set_for_itself_is_what_its_settings_have_to_stop_by():
    types = typing.get_type_hints(StopOptions)
    assert types == {name: field.annotation for name, field in StopSettings.model_fields.items()}
    assert StopOptions.__required_keys__ == frozenset()
