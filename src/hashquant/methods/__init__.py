"""The methods: one file each in the checkout's top-level `methods/` folder."""

from pathlib import Path

_folder = Path(__file__).resolve().parents[3] / "methods"
if _folder.is_dir():
    __path__.append(str(_folder))
