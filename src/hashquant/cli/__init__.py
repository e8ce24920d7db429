"""The command line: `run` (the default), `list`, `report`, `data`, `verify`, `explain`."""

from hashquant.cli.main import main

__all__ = ["main"]
