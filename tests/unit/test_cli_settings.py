"""The configuration file and the options become one set of settings, and what is wrong is named."""

from __future__ import annotations

import pytest

from bulkdelete.cli import settings_file
from bulkdelete.cli.options import SETTINGS, field_of, settings_from
from bulkdelete.errors import SettingsError
from bulkdelete.settings import Settings
from tests.secrets import as_told, assert_nowhere, of_ours

SECRET = "never-echo-this-value"


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "purge.toml").write_text(text)
        return str(tmp_path / "purge.toml")

    return write


def test_options_override_the_file_and_the_file_the_defaults(config):
    path = config('table_id = "a"\nbase_url = "http://127.0.0.1:1"\n[flow]\nconcurrency = 3\n[batch]\nsize = 10\n')
    settings = settings_from(path, ["ids.csv"], {"table_id": "b", "batch__size": 20, "source__header": False})
    assert settings.table_id == "b"
    assert settings.base_url == "http://127.0.0.1:1"
    assert settings.flow.concurrency == 3
    assert settings.batch.size == 20
    assert settings.source.path == ("ids.csv",)
    assert not settings.source.header
    assert settings.retry == Settings().retry


@pytest.mark.parametrize("flag", [flag for flag, name in SETTINGS.items() if field_of(name).annotation is str])
def test_an_option_with_an_empty_value_is_refused_and_does_not_mean_the_default(config, flag):
    path = config('table_id = "a"\n[source]\ncolumn = "duplicate_id"\n[ledger]\npath = "purge.db"\n')
    with pytest.raises(SettingsError, match=f"{flag}: the value is empty: perhaps a variable of a shell is not set"):
        settings_from(path, ["ids.csv"], {SETTINGS[flag].replace(".", "__"): ""})


def test_a_check_without_a_canary_is_refused_unless_an_option_gives_the_canary(config):
    path = config('[canary]\ncheck_command = ["true"]\n')
    with pytest.raises(SettingsError, match=r"canary.check_command: nothing would .*canary.records, or --canary"):
        settings_from(path, ["ids.csv"], {})
    assert settings_from(path, ["ids.csv"], {"canary__records": 5}).canary.records == 5


def test_paths_in_the_file_are_taken_from_its_folder_and_those_of_options_are_not(config, tmp_path):
    path = config('api_key_file = "key"\n[source]\npath = "ids.csv"\n[ledger]\npath = "/absolute.db"\n')
    settings = settings_from(path, (), {"http__ca_file": "ca.pem"})
    assert settings.source.path == (str(tmp_path / "ids.csv"),)
    assert settings.api_key_file == str(tmp_path / "key")
    assert settings.ledger.path == "/absolute.db"
    assert settings.http.ca_file == "ca.pem"


def test_standard_input_in_the_file_stays_standard_input(config):
    assert settings_from(config('[source]\npath = "-"\n'), (), {}).source.path == ("-",)


@pytest.mark.parametrize(
    "text",
    [
        f'api_key = "{SECRET}"',
        f'[http]\napi_key = "{SECRET}"',
        f'[auth]\ntoken = "{SECRET}"',
        f'[[keys]]\napi_key = "{SECRET}"',
        f'keys = [[{{ token = "{SECRET}" }}]]',
    ],
)
def test_a_key_in_the_file_is_refused_with_a_lesson_and_without_an_echo(config, text):
    path = config(text)
    with pytest.raises(SettingsError) as caught:
        settings_file.load(path)
    assert "BULKDELETE_API_KEY" in str(caught.value)
    assert_nowhere(SECRET, texts=as_told(of_ours(caught.value)))


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = {SECRET}",
        f'api_key = "{SECRET}"\napi_key = "{SECRET}"',
        f'api_key = "{SECRET}"\nn = {"9" * 5000}',
        f'api_key = "{SECRET}"\nn = {"[" * 2000}',
        f'base_url = "{SECRET}',
    ],
)
def test_a_file_with_a_key_that_is_no_toml_is_refused_without_an_echo(config, text):
    path = config(text)
    with pytest.raises(SettingsError) as caught:
        settings_file.load(path)
    assert_nowhere(SECRET, texts=as_told(of_ours(caught.value)))


def test_a_key_among_the_values_of_a_setting_is_refused_without_an_echo():
    values = [{"api_key": SECRET, "base_url": SECRET, "codes": SECRET, "source": {"format": SECRET, "header": SECRET}}]
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(values.pop())
    assert "api_key is not a setting" in str(caught.value)
    assert_nowhere(SECRET, texts=as_told(of_ours(caught.value)))


def test_a_syntax_error_names_file_line_and_column(config):
    path = config('table_id = "a"\nbase_url = nothing\n')
    with pytest.raises(SettingsError, match=r"purge\.toml: .*line 2, column \d+"):
        settings_from(path, (), {})


def test_an_unknown_key_is_refused_with_the_nearest_name_and_the_file(config):
    with pytest.raises(SettingsError, match=r"purge\.toml: .*did you mean table_id"):
        settings_from(config("tabel_id = 1"), (), {})
    with pytest.raises(SettingsError, match=r"flow\.concurency is not a setting; did you mean concurrency"):
        settings_from(config("[flow]\nconcurency = 1"), (), {})


def test_a_value_where_a_section_belongs_is_refused(config):
    with pytest.raises(SettingsError, match="source"):
        settings_from(config("source = 1"), "ids.csv", {})


def test_a_wrong_option_is_named_as_it_was_typed():
    with pytest.raises(SettingsError, match=r"--batch-size: .*1000"):
        settings_from(None, "ids.csv", {"batch__size": 1001})


def test_a_tab_can_be_typed_as_a_delimiter():
    assert settings_from(None, "ids.csv", {"source__delimiter": "\\t"}).source.delimiter == "\t"


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match=r"missing\.toml: .*No such file"):
        settings_from("missing.toml", (), {})


@pytest.mark.parametrize("configured", ['"a.txt"', '["a.txt"]'])
def test_a_hold_list_on_the_command_line_adds_to_those_of_the_configuration(tmp_path, configured):
    (tmp_path / "purge.toml").write_text(f"[holds]\npath = {configured}\n")
    config = str(tmp_path / "purge.toml")
    both = settings_from(config, ["ids.txt"], {"holds__path": ("b.txt", "c.txt")})
    assert both.holds.path == (str(tmp_path / "a.txt"), "b.txt", "c.txt")
    assert settings_from(config, ["ids.txt"], {"holds__path": ()}).holds.path == (str(tmp_path / "a.txt"),)
    assert settings_from(None, ["ids.txt"], {"holds__path": ("b.txt",)}).holds.path == ("b.txt",)


@pytest.mark.parametrize(("sources", "holds"), [(["-"], ("-",)), (["ids.txt"], ("-", "-"))])
def test_standard_input_is_named_once(sources, holds):
    with pytest.raises(SettingsError, match="is named twice"):
        settings_from(None, sources, {"holds__path": holds})


def test_an_empty_path_in_the_configuration_stays_empty_and_is_no_folder(tmp_path):
    (tmp_path / "purge.toml").write_text('[source]\npath = [""]\n[holds]\npath = ""\n')
    settings = settings_from(str(tmp_path / "purge.toml"), [], {})
    assert (settings.source.path, settings.holds.path) == (("",), ("",))
