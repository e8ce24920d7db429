"""Print how many damaged copies of each kind were equal, named, silent, tracebacks."""

import logging
import sys
import tempfile
from pathlib import Path

from fuzz.outcomes import HEAD
from fuzz.stored import NAMES, everything

if __name__ == "__main__":
    count, names = int(sys.argv[1]), sys.argv[2:] or NAMES
    logging.getLogger("hashquant").propagate = False
    with tempfile.TemporaryDirectory() as place:
        kinds = everything(Path(place), thorough=True)
        sys.stdout.write(f"{HEAD}\n")
        faults = []
        for name in names:
            bench, kind = kinds[name]
            counts = bench.try_out(kind, count)
            faults += counts.faults
            sys.stdout.write(f"{counts}\n")
            sys.stdout.flush()
        sys.stdout.writelines(f"{fault}\n" for fault in faults)
