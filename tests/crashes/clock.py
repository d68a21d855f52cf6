"""Launches bulkdelete with a clock that is SECONDS ahead, or behind where that is negative: SECONDS WORDS...

With ``SECONDS@FILE`` the clock is right, and is set so from the moment on that there is a FILE.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

seconds, *words = sys.argv[1:]
seconds, _, file = seconds.partition("@")
true_time = time.time
time.time = lambda: true_time() + (float(seconds) if not file or Path(file).exists() else 0)
sys.argv = ["bulkdelete", *words]

from bulkdelete.cli import main  # noqa: E402 - the clock is set first

main()
