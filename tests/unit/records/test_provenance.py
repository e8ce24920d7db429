"""Where a record was made: commit, versions, machine."""

import platform
import subprocess

import pytest
import torch

from hashquant.machine import compiled
from hashquant.machine.hardware import cpu_model
from hashquant.records import checkout as module
from hashquant.records.provenance import provenance, versions

CPU = torch.device("cpu")


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
    (package / "errors.py").write_text("old\n")

    def git(*arguments):
        subprocess.run(
            ["git", "-C", str(top), "-c", "user.name=n", "-c", "user.email=e@x", *arguments],
            check=True, capture_output=True,
        )  # fmt: skip

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(module, "__file__", str(package / "records" / "checkout.py"))
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one", "--no-gpg-sign")
    module.checkout.cache_clear()
    yield top
    module.checkout.cache_clear()


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
    monkeypatch.setattr(module, "__file__", str(installed / "records" / "checkout.py"))
    found = provenance(CPU)
    assert (found.commit, found.dirty) == ("unknown", False)


def test_without_git_the_commit_is_unknown(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance(CPU).commit == "unknown"


def test_versions_name_numba_where_it_counted(monkeypatch):
    monkeypatch.setattr(compiled, "used", lambda: False)
    assert "numba" not in versions()
    monkeypatch.setattr(compiled, "used", lambda: True)
    assert "numba" in versions()
