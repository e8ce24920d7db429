"""The command line: `run` (the default), `list`, `report`, `data`, `verify`, `explain`.

Words in, sentences and exit codes out; only here is anything printed.
"""

from hashquant.cli.main import main

__all__ = ["main"]
