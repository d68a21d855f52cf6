"""``python -m bulkdelete`` is the command ``bulkdelete``."""

from bulkdelete.cli import main

if __name__ == "__main__":
    main()
