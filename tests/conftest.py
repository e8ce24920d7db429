"""Settings of every test: the same examples on each run, no clocks, no windows."""

import os

import torch
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels for CUDA run on the CPU, as Python
torch.set_num_threads(1)  # small tensors: threads would only wait for each other

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
