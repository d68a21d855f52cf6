"""The demonstration's purge: the real command, which knows that its server does not outlive it."""

from __future__ import annotations

from bulkdelete.cli import main

if __name__ == "__main__":
    main(passing=True)
