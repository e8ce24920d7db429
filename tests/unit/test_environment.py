"""The machine as records see it: device, commit, versions, memory, time."""

import platform
import subprocess
import time

import pytest
import torch

from hashquant import environment
from hashquant.environment import (
    Timer,
    free_bytes,
    peak_bytes,
    provenance,
    resolve_device,
    versions,
)
from hashquant.errors import UsageError
from hashquant.hardware import cpu_model

CPU = torch.device("cpu")


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "kept")


@pytest.mark.usefixtures("no_cuda")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused():
    assert resolve_device("auto") == resolve_device("CPU") == CPU
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match=f"got '{name}': this machine has 0 CUDA devices"):
            resolve_device(name)
    assert UsageError.exit_code == 2


@pytest.mark.usefixtures("two_gpus")
def test_with_cuda_the_index_is_checked():
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == CPU
    with pytest.raises(UsageError, match="this machine has 2 CUDA devices"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(UsageError, match="unknown device"):
        resolve_device(name)


def test_the_nearest_device_is_offered():
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        resolve_device("cud")


def test_provenance_of_the_cpu():
    found = provenance(CPU, deterministic=False)
    assert found.device == "cpu"
    assert found.cpu == cpu_model() != ""
    assert found.threads == torch.get_num_threads()
    assert not found.deterministic
    assert found.versions == versions()
    assert found.versions["python"] == platform.python_version()
    assert found.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "hashquant" in found.versions
    assert found.commit == "unknown" or len(found.commit) == 40


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, which the package seems to run from."""
    top = tmp_path / "clone"
    package = top / "src" / "hashquant"
    package.mkdir(parents=True)
    (package / "environment.py").write_text("old\n")

    def git(*arguments):
        subprocess.run(
            ["git", "-C", str(top), "-c", "user.name=n", "-c", "user.email=e@x", *arguments],
            check=True, capture_output=True,
        )  # fmt: skip

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one", "--no-gpg-sign")
    environment._checkout.cache_clear()
    yield top
    environment._checkout.cache_clear()


def test_a_clean_checkout_stays_clean_when_results_are_written(checkout):
    (checkout / "results").mkdir()
    (checkout / "results" / "new.json").write_text("{}")
    found = provenance(CPU)
    assert len(found.commit) == 40
    assert not found.dirty


def test_changed_sources_and_new_plugins_are_dirty(checkout):
    (checkout / "methods").mkdir()
    (checkout / "methods" / "mine.py").write_text("new\n")
    assert provenance(CPU).dirty


def test_an_installed_package_has_no_commit_even_inside_a_checkout(checkout, monkeypatch):
    installed = checkout / ".venv" / "hashquant"
    installed.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(installed / "environment.py"))
    found = provenance(CPU)
    assert (found.commit, found.dirty) == ("unknown", False)


def test_without_git_the_commit_is_unknown(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance(CPU).commit == "unknown"


def test_memory_is_counted_in_bytes():
    assert 2**20 < free_bytes(CPU) < 2**50
    assert 2**24 < peak_bytes(CPU) < 2**50  # torch alone takes more than 16 MiB


def test_a_timer_measures_its_block():
    with Timer(CPU) as timer:
        time.sleep(0.02)
    assert 0.02 <= timer.seconds < 5
    with pytest.raises(KeyError), Timer(CPU) as timer:
        raise KeyError
    assert timer.seconds > 0
