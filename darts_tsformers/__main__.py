"""The command line, as ``python -m darts_tsformers``."""

import sys

from darts_tsformers.cli import main

if __name__ == "__main__":
    sys.exit(main())
