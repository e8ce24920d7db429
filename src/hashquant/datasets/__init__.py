"""The data sets: one file each in the checkout's top-level `datasets/` folder."""

from pathlib import Path

_folder = Path(__file__).resolve().parents[3] / "datasets"
if _folder.is_dir():
    __path__.append(str(_folder))
