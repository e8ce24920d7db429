"""Front door of a checkout: `python run_bench.py --methods opqn dcdh --bits 16 24`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parent
    if sys.version_info < (3, 11) or not all(map(find_spec, ("torch", "yaml", "jaxtyping"))):
        python = root / ".venv" / "bin" / "python"
        if Path(sys.prefix).resolve() == root / ".venv" or not python.exists():
            sys.exit("run_bench.py: packages are missing: run `make setup` first")
        os.execv(python, [str(python), *sys.argv])
    sys.path[0] = str(root / "src")  # in place of the root, whose `datasets` is no package
    from hashquant.cli import main

    sys.exit(main())
