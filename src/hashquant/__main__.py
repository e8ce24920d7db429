"""`python -m hashquant` is the command `hashquant`."""

import sys

from hashquant.cli import main

if __name__ == "__main__":
    sys.exit(main())
