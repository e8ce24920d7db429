"""The command line: `run` (the default), `list`, `report`, `data`."""

from hashquant.cli.main import main

__all__ = ["main"]
