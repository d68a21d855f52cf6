"""The API itself on this machine: aiohttp in front of SQLite, with faults on request.

>>> async with Emulator(faults=Faults(internal_error_rate=0.1)) as emulator:
...     emulator.load("673af861ed69656ac0895b07", ids)
...     await purge(emulator.base_url, emulator.api_key)
"""

from bulkdelete.emulator.faults import Fault, Faults
from bulkdelete.emulator.server import Emulator
from bulkdelete.emulator.serving import serve

__all__ = ["Emulator", "Fault", "Faults", "serve"]
