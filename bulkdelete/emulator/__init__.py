"""The API itself on this machine: aiohttp in front of SQLite, the kind of server and the faults on request.

>>> async with Emulator(switches=Switches(requests_per_hour=1000), faults=Faults(internal_error_rate=0.1)) as emulator:
...     emulator.load("673af861ed69656ac0895b07", ids)
...     await purge(emulator.base_url, emulator.api_key)
"""

from bulkdelete.emulator.config import Config, read_config
from bulkdelete.emulator.faults import Fault, Faults
from bulkdelete.emulator.seen import LoggedRequest
from bulkdelete.emulator.server import Emulator
from bulkdelete.emulator.serving import serve
from bulkdelete.emulator.switches import Switches

__all__ = ["Config", "Emulator", "Fault", "Faults", "LoggedRequest", "Switches", "read_config", "serve"]
