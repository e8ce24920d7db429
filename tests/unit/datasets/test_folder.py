import pytest

from hashquant.errors import UsageError
from hashquant.plugins.registry import make_dataset


@pytest.mark.parametrize("path", ["x" * 300, "deep/" * 1000, "loop/x"])
def test_a_path_that_the_system_cannot_have_is_one_sentence(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=r"followed, got .*: (File name too long|Too many levels)"):
        make_dataset(f"folder:{path}").prepare(tmp_path / "data")


@pytest.mark.parametrize("name", ["漢" * 80, "x" * 250, "a,b +c=[d]"])
def test_a_folder_of_any_name_is_read_and_its_split_written_down(tmp_path, draw, name):
    draw(tmp_path / name, {"a": 2, "b": 2})
    dataset = make_dataset(f"folder:{tmp_path / name}")
    dataset.prepare(tmp_path / "data")
    assert len(dataset.load(tmp_path / "data")) == 4
    (manifest,) = (tmp_path / "data" / "manifests").iterdir()
    assert name[:9] in manifest.name
