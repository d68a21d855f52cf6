"""Every setting of a job: frozen, validated, unknown keys refused, secrets masked. No file is opened here.

The attribute docs are the comments of ``config.example.toml``; a test holds the two equal.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bulkdelete.errors import SettingsError
from bulkdelete.settings.checks import BaseUrl, Section, check_base_url
from bulkdelete.settings.reading import (
    HoldsSettings,
    IdentifierSettings,
    ReadingSettings,
    SourceSettings,
)
from bulkdelete.settings.running import (
    MAX_RECORDS_PER_REQUEST,
    BatchSettings,
    CanarySettings,
    FlowSettings,
    HttpSettings,
    LedgerSettings,
    RetrySettings,
    SplittingSettings,
    StopOptions,
    StopSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MAX_RECORDS_PER_REQUEST",
    "ApiKey",
    "BatchSettings",
    "CanarySettings",
    "EventLoop",
    "FlowSettings",
    "HoldsSettings",
    "HttpSettings",
    "IdentifierSettings",
    "LedgerSettings",
    "ReadingSettings",
    "RetrySettings",
    "Settings",
    "SourceSettings",
    "SplittingSettings",
    "StopOptions",
    "StopSettings",
    "check_base_url",
]

EventLoop = Literal["auto", "asyncio", "uvloop"]
CodeMeaning = Literal["invalid", "retry", "unknown", "pause", "too_large", "unauthorized", "fatal"]


class Settings(Section, frozen=True):
    """One job. The API key is not part of it: see :class:`ApiKey`.

    Each section is a class of ``bulkdelete.settings``; what a field means, its unit and its range stand in
    ``config.example.toml``, and in ``Settings.model_fields``.

    Example:
        >>> from bulkdelete.settings import FlowSettings
        >>> settings = Settings(flow=FlowSettings(concurrency=8), codes={40009: "retry"})
        >>> settings.flow.concurrency, settings.batch.size, settings.codes
        (8, 1000, {40009: 'retry'})
        >>> Settings.model_fields["table_id"].description
        'The table to delete from.'

    """

    base_url: BaseUrl = "https://altatech.ai"
    """The API's address; it differs by region and for private deployments. http only for this machine."""
    table_id: str = Field(default="", max_length=256)
    """The table to delete from."""
    api_key_file: str = ""
    """A file that holds the API key (the environment variable BULKDELETE_API_KEY goes first). Must not be readable
    by others; one of root's may be by its group, as Kubernetes and systemd give a secret to a service."""
    api_key_command: tuple[str, ...] = ()
    """A command, as a list of words, that prints the API key."""
    event_loop: EventLoop = "auto"
    """What the command runs on: uvloop, which takes less CPU time; asyncio, which is Python's own; or auto, which is
    uvloop where it is installed. A program that uses the library brings its own."""
    codes: dict[int, CodeMeaning] = Field(default_factory=dict)
    """Other meanings for codes of the API: invalid, retry, unknown, pause, too_large, unauthorized or fatal."""
    identifiers: dict[str, IdentifierSettings] = Field(default_factory=dict)
    """What record ids look like, by table id: pattern (a regular expression for the whole id), lengths, prefixes; as
    in [identifiers.673af861ed69656ac0895b07] and then lengths = [18]. Rows that do not fit are set aside,
    also those that an earlier run left. A resume without the rules of the run before is refused; an empty section
    drops them."""
    source: SourceSettings = SourceSettings()
    holds: HoldsSettings = HoldsSettings()
    batch: BatchSettings = BatchSettings()
    http: HttpSettings = HttpSettings()
    retry: RetrySettings = RetrySettings()
    flow: FlowSettings = FlowSettings()
    splitting: SplittingSettings = SplittingSettings()
    stop: StopSettings = StopSettings()
    canary: CanarySettings = CanarySettings()
    ledger: LedgerSettings = LedgerSettings()

    @field_validator("codes")
    @classmethod
    def _zero_keeps_its_meaning(cls, codes: dict[int, CodeMeaning]) -> dict[int, CodeMeaning]:
        if 0 in codes:
            raise ValueError("code 0 acknowledges, and nothing else can be made of it")
        return codes

    def without_places_of_the_key(self) -> dict[str, Any]:
        """Return them as JSON values, for what is kept: one of the places may hold the key itself by mistake.

        Example:
            >>> settings = Settings(api_key_file="key")
            >>> "api_key_file" in settings.without_places_of_the_key()
            False

        """
        return self.model_dump(mode="json", exclude={"api_key_file", "api_key_command"})

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "") -> Settings:
        """Validate *values*, nested as in ``config.example.toml``; *where* names their file in errors.

        Raises:
            SettingsError: naming each wrong key, its value's fault, and the nearest valid name of an unknown one.

        Example:
            >>> Settings.from_mapping({"flow": {"concurrency": 8}}).flow.concurrency
            8
            >>> Settings.from_mapping({"batch": {"size": 2000}}, where="purge.toml")
            Traceback (most recent call last):
                ...
            bulkdelete.errors.SettingsError: purge.toml: batch.size: Input should be less than or equal to 1000

        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [_explain(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()]
        values = {}  # a traceback may show them
        raise SettingsError("\n".join(f"{where}: {line}" if where else line for line in lines))


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{name}: {message.removeprefix('Value error, ')}"
    near = difflib.get_close_matches(str(location[-1]), _names_beside(location), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name} is not a setting{hint}"


def _names_beside(location: tuple[int | str, ...]) -> Iterable[str]:
    fields = Settings.model_fields
    if len(location) == 1:
        return fields
    section = type(getattr(Settings(), str(location[0])))
    return getattr(section, "model_fields", ())


class ApiKey(BaseSettings):
    """The API key as the environment gives it: ``BULKDELETE_API_KEY``; its ``repr`` shows no key.

    Example:
        >>> import os
        >>> from bulkdelete.settings import ApiKey
        >>> os.environ["BULKDELETE_API_KEY"] = api.api_key
        >>> ApiKey()
        ApiKey(api_key=SecretStr('**********'))
        >>> async with BulkDeleter(base_url=api.base_url) as deleter:  # finds it there
        ...     print((await deleter.delete(TABLE_ID, ids)).acknowledged)
        3

    """

    model_config = SettingsConfigDict(case_sensitive=True, extra="ignore", frozen=True)

    api_key: SecretStr | None = Field(default=None, validation_alias="BULKDELETE_API_KEY")
