"""A first decoding shows how far it is, unless quiet was asked for."""

import pytest

from hashquant.cli import main
from hashquant.cli._progress import Decoding


@pytest.mark.parametrize(("flags", "shown"), [([], True), (["--quiet"], False)])
def test_the_first_decoding_of_a_folder_is_shown_and_the_second_has_none(
    tmp_path, draw, capsys, flags, shown
):
    draw(tmp_path / "mine", {"ann": 6, "bob": 6})
    words = ["data", f"folder:{tmp_path / 'mine'}", "--data-dir", str(tmp_path), *flags]
    assert main(words) == 0
    assert ("decoding images" in capsys.readouterr().err) == shown
    assert main(words) == 0
    assert capsys.readouterr().err == ""


def test_what_was_decoded_before_is_no_speed(capsys):
    bar = Decoding(quiet=False)
    bar(500, 1000)
    assert bar._bar.initial == 500
    bar(1000, 1000)
    assert bar._bar is None
    bar(10, 20)
    assert (bar._bar.n, bar._bar.total) == (10, 20)
    bar(20, 20)
    assert "500/1000" in capsys.readouterr().err
