"""Plans of vectors in files that a package reads, each in a fresh process without torch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAN = """
import sys
sys.path[:0] = sys.argv[2:]
from hashquant.settings.suite import Suite
from hashquant.runs.outline import outline
found = outline("s", Suite(datasets=sys.argv[1:2], methods=("float", "itq"), bits=(8,)),
                device="cpu")
print([(c.spec.trunk, c.spec.bits, c.spec.features) for c in found.cells])
print([found.note, *found.broken], "torch" in sys.modules)
"""


def save(path, vectors):
    if path.suffix == ".npz":
        np.savez_compressed(path, train=vectors)
    elif path.suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow", reason="an extra")
        from pyarrow import parquet

        parquet.write_table(arrow.table({"embedding": list(vectors)}), path)
    else:
        h5py = pytest.importorskip("h5py", reason="an extra")
        with h5py.File(path, "w") as file:
            file.create_dataset("train", data=vectors, chunks=(2, 6), compression="gzip")


@pytest.mark.parametrize("end", ["npz", "parquet", "hdf5"])
def test_the_size_of_a_vector_is_known_to_a_plan(end, tmp_path):
    path = tmp_path / f"x.{end}"
    save(path, np.ones((8, 6), dtype=np.float32))
    where = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), str(ROOT / "src")]
    done = subprocess.run(
        [sys.executable, "-c", PLAN, f"embeddings:{path}", *where],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    plans, rest = done.stdout.splitlines()
    assert plans == "[('none', 192, 6), ('none', 8, 6)]"
    assert rest == "[''] False"
