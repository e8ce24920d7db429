"""Numbers that are none, by flag and by file: one sentence, code 2, and nothing is written."""

import pytest

from hashquant.cli import main


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--bits", "9" * 5000], "--bits must be a whole number of at least 1, got 9999"),
        (["--bits=-8"], "--bits must be a whole number of at least 1, got -8"),
        (["--seeds=-1"], "--seeds must be a whole number of at least 0, got -1"),
        (["--seeds", str(2**64)], "--seeds must be a whole number of at most 64 bits, got 1844"),
        (["--epochs", "1e3"], "--epochs must be a whole number of at least 1, got 1e3"),
        (["--jobs-per-device", "9" * 5000], "--jobs-per-device must be auto or a whole number"),
        (["--set", "opqn.margin=nan"], "opqn.margin must be a finite number within 0 … 2, got nan"),
        (["--set", "gpq.alpha=inf", "--methods", "dcdh"], "gpq.alpha must be a finite number"),
        (["--set", "folder.fraction=nan"], "folder.fraction must be a finite number within 0.01"),
        (["--set", "image_size=64"], "resize must be 0, or at least image_size, 64, got 35"),
        (["--set", "common.warmup_epochs=200"], "common.warmup_epochs must be below epochs, 200"),
    ],
)
def test_a_number_that_is_none_is_refused_before_anything_runs(
    flags, said, where, tmp_path, capsys
):
    assert main([*flags, *where]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {said}")
    assert printed.count("\n") == 1
    assert len(printed) < 250
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("common: {lr: .nan}", "line 1, column 14: a value must be a finite number, got '.nan'"),
        ("common: {lr: -0.1}", "common.lr must be a number of at least 0, got -0.1"),
        ("settings: {opqn: {scale: .inf}}", "a value must be a finite number, got '.inf'"),
        ("variants: {gpq: [{alpha: 0}]}", "gpq.alpha must be a number above 0, got 0"),
        ("settings: {1: {a: 2}}", "a key must be text, got '1'"),
        ("seeds: [0x1ffffffffffffffff]", "a whole number must fit 64 bits, got '0x1"),
        ("settings: {opqn: {margin: 2020-01-01}}", "within 0 … 2, got '2020-01-01'"),
    ],
)
def test_a_suite_s_numbers_are_held_to_the_same(text, said, where, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(text)
    assert main(["--suite", str(tmp_path / "own.yaml"), *where]) == 2
    assert said in capsys.readouterr().err
