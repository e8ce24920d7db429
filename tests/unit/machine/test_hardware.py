import pytest

from hashquant.errors import UsageError
from hashquant.machine import hardware
from hashquant.machine.hardware import check_trunk_mode, cuda_nodes, resolve_precision


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


def test_a_trunk_mode_that_cannot_be_is_refused(monkeypatch, tmp_path):
    check_trunk_mode("eager", "cpu")
    check_trunk_mode("graphs", "cuda")
    with pytest.raises(UsageError, match=r"eager or compiled on a CPU, got 'graphs'"):
        check_trunk_mode("graphs", "cpu")
    monkeypatch.setenv("CXX", str(tmp_path / "c++"))
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler on a CPU, .* no '.*/c\+\+'"):
        check_trunk_mode("compiled", "cpu")
    (tmp_path / "c++").touch(mode=0o755)
    check_trunk_mode("compiled", "cpu")
