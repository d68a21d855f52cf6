"""The API itself on this machine: aiohttp in front of SQLite, the kind of server and the faults on request.

``async with Emulator(switches=Switches(...), faults=Faults(...)) as emulator`` serves it at ``emulator.base_url``.
"""

from bulkdelete.emulator.config import Config, read_config
from bulkdelete.emulator.faults import Fault, Faults
from bulkdelete.emulator.seen import LoggedRequest
from bulkdelete.emulator.server import Emulator
from bulkdelete.emulator.serving import serve
from bulkdelete.emulator.switches import Switches

__all__ = ["Config", "Emulator", "Fault", "Faults", "LoggedRequest", "Switches", "read_config", "serve"]
