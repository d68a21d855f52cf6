"""``config.example.toml`` is what the code says: every setting, at its default, with its documentation."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bulkdelete.cli import settings_file
from bulkdelete.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
HEAD = """\
# Every setting of bulkdelete, at its default. Use it with: bulkdelete run -c purge.toml
# Options of the command override this file; relative paths are taken from this file's folder.
# The API key never stands here: set BULKDELETE_API_KEY, or api_key_file or api_key_command below.
"""


def rendered() -> str:
    plain, sections = [], []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            sections.append("\n".join([*comment(summary(type(default))), f"[{name}]", *settings(type(default))]))
        elif isinstance(default, dict):
            sections.insert(0, "\n".join([*comment(field.description), f"[{name}]"]))
        else:
            plain.append("\n".join(setting(name, field)))
    return "\n\n".join([HEAD + "\n" + "\n".join(plain), *sections]) + "\n"


def settings(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield from setting(name, field)


def setting(name, field) -> Iterator[str]:
    default = field.get_default(call_default_factory=True)
    yield from comment(field.description)
    yield f"# {name} =" if default is None else f"{name} = {value(default)}"


def summary(model) -> str:
    return model.__doc__.partition("\n\n")[0]  # after it come the example, and what is for Python only


def comment(text) -> Iterator[str]:
    for line in text.splitlines():
        yield f"# {line.strip()}"


def value(default) -> str:
    return json.dumps(list(default) if isinstance(default, tuple) else default)


def test_the_example_lists_every_setting_at_its_default_with_its_documentation():
    assert EXAMPLE.read_text() == rendered()


def test_the_example_loads_to_the_defaults():
    assert Settings.from_mapping(tomllib.loads(EXAMPLE.read_text())) == Settings()
    assert Settings.from_mapping(settings_file.load(str(EXAMPLE))) == Settings()


def test_every_setting_is_documented():
    sections = [type(default) for default in vars(Settings()).values() if isinstance(default, BaseModel)]
    for model in sections:
        assert model.__doc__
        assert all(field.description for field in model.model_fields.values()), model
