"""Launches or calls bulkdelete as somebody somewhere, whose names may stand in a kept file; kills it where told."""

from __future__ import annotations

import platform
import pwd
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

platform.node = lambda: "somewhere"
pwd.getpwuid = lambda uid: SimpleNamespace(pw_name="somebody")  # type: ignore[assignment,return-value]  # all it needs
if sys.argv[1] == "never":
    del sys.argv[1:4]
    runpy.run_module("bulkdelete", run_name="__main__")
elif sys.argv[1] == "call":
    del sys.argv[1]
    runpy.run_path(str(Path(__file__).with_name("caller.py")), run_name="__main__")
else:
    runpy.run_path(str(Path(__file__).parents[1] / "crashes" / "launcher.py"), run_name="__main__")
