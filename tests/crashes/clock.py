"""Launches bulkdelete with a clock that is SECONDS ahead, or behind where that is negative: SECONDS WORDS..."""

from __future__ import annotations

import sys
import time

seconds, *words = sys.argv[1:]
true_time = time.time
time.time = lambda: true_time() + float(seconds)
sys.argv = ["bulkdelete", *words]

from bulkdelete.cli import main  # noqa: E402 - the clock is set first

main()
