"""What the jobs of one deleter share, wired: connections, key, limits and pauses, and the calls that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete import protocol
from bulkdelete.attempts import Attempts
from bulkdelete.calls import Calls
from bulkdelete.credentials import Credentials, credentials_from
from bulkdelete.hub import Hub
from bulkdelete.job import Job
from bulkdelete.limiter import Limiter
from bulkdelete.settings import Settings
from bulkdelete.transport import HttpTransport

if TYPE_CHECKING:
    from pydantic import SecretStr

    from bulkdelete.credentials import ReadKey
    from bulkdelete.orders import Order
    from bulkdelete.settings import StopOptions


class Shared:
    """One base URL, one key, one limiter, one set of connections; those of *settings* unless given.

    Raises:
        SettingsError: *base_url* is refused.
        CredentialsError: no key is given anywhere.

    """

    def __init__(
        self, settings: Settings, base_url: str | None, api_key: str | SecretStr | ReadKey | Credentials | None
    ) -> None:
        if base_url is not None:
            settings = Settings.from_mapping({**settings.model_dump(), "base_url": base_url})
        self.settings = settings
        self.transport = HttpTransport(settings.base_url, settings.http, settings.flow.ceiling)
        self.hub = Hub()
        self.limiter = Limiter(settings.flow, hub=self.hub)
        if not isinstance(api_key, Credentials):
            api_key = credentials_from(settings) if api_key is None else Credentials(api_key)
        codes = protocol.code_table(settings.codes)
        self.attempts = Attempts(self.transport, self.limiter, api_key, codes)
        self._calls = Calls(self.hub)

    def job_of(self, order: Order, stop: StopOptions) -> Job:
        """Return the job of *order*, with *stop* in place of the settings' own.

        Raises:
            SettingsError: *stop* holds what is no setting, or a canary is wanted and there is nobody to ask about it.

        """
        settings = self.settings
        if stop:
            settings = Settings.from_mapping({**settings.model_dump(), "stop": {**settings.stop.model_dump(), **stop}})
        order.refuse_unasked_canary(settings)
        return Job(order, settings, self.attempts, self.limiter, self._calls)

    async def close(self) -> None:
        """Let the calls that run end, within ``flow.cancel_grace_seconds``, and close the connections."""
        await self._calls.close(self.transport.close, self.settings.flow.cancel_grace_seconds)
