import pytest

from hashquant import hardware
from hashquant.hardware import cuda_nodes, resolve_precision


@pytest.fixture
def dev(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("visible", "count"),
    [(None, 2), ("0", 1), ("1,0", 2), ("", 0), ("-1", 0), ("0,1,2", 2)],
)
def test_cuda_devices_are_counted_by_their_files(dev, visible, count, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cuda_nodes(dev) == count


@pytest.mark.parametrize(
    ("flags", "precision"),
    [("fpu avx2", "fp32"), ("fpu avx512_bf16", "bf16"), ("asimd bf16", "bf16")],
)
def test_auto_precision_follows_the_processor(flags, precision, monkeypatch):
    monkeypatch.setattr(hardware, "_cpu_field", lambda name: flags if name == "flags" else "")
    assert resolve_precision("auto", "cpu") == precision
    assert resolve_precision("auto", "cuda") == "bf16"
    assert resolve_precision("fp32", "cuda") == "fp32"
