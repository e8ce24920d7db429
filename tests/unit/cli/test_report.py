import re
import shutil

import pytest

from hashquant.cli import main

TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--targets", "seen",
        "--methods", "dcdh", "--bits", "16"]  # fmt: skip


def test_a_run_of_one_seed_shows_the_interval_over_queries(where, tmp_path, capsys):
    asked = [*TINY, *where, "--no-figures", "--spread"]
    assert main([*asked, "intervall"]) == 2
    assert "did you mean 'interval'" in capsys.readouterr().err
    assert not (tmp_path / "results/quick/synthfaces-studio").exists()
    assert main([*asked, "interval"]) == 0
    quick = tmp_path / "reports/quick"
    for text in (capsys.readouterr().out, *(
        (quick / name).read_text() for name in ("tables/map.md", "index.html"))
    ):  # fmt: skip
        assert re.search(r"0\.\d{4} \[0\.\d{3}, [01]\.\d{3}\]", text)
    assert "identities by bootstrap (t-scaled)" in (quick / "tables/map.md").read_text()
    assert "in brackets its 95 % interval" in (quick / "index.html").read_text()


def test_report_from_records_alone(where, tmp_path, capsys):
    assert main([*TINY, *where]) == 0
    quick = tmp_path / "reports/quick"
    for kind in ("pr", "distances", "bits"):
        assert (quick / f"figures/{kind}_synthfaces-studio_16bit.png").is_file()
    shutil.rmtree(quick)
    assert main(["report", "--spread", "interval", "--no-figures", *where[:4]]) == 0
    assert (quick / "tables/map.csv").is_file()
    assert not (quick / "figures").exists()
    assert "in brackets its 95 % interval" in (quick / "tables/map.md").read_text()
    assert "in brackets its 95 % interval" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("--suite quik", "'quick'"), ("--formats pgff", "'pgf'"), ("--preset slides", "'slide'"),
     ("--spread intervall", "'interval'")],
)  # fmt: skip
def test_a_typo_gets_the_nearest_name(where, tmp_path, capsys, wrong, right):
    (tmp_path / "results/quick/a").mkdir(parents=True)
    (tmp_path / "results/quick/a/train.json").write_text("{}")
    assert main(["report", *where[:4], *wrong.split()]) == 2
    assert f"did you mean {right}" in capsys.readouterr().err


def test_claims_and_readme_of_all_suites(where, tmp_path, capsys):
    """Both stand over the suites' reports, and leave those as they are."""
    results = ["--results-dir", str(tmp_path / "results"), "--reports-dir", str(tmp_path / "out")]
    assert main(["report", "--claims", *results]) == 2
    assert "needs stored records" in capsys.readouterr().err
    assert main([*TINY, *where, "--no-figures"]) == 0
    readme = tmp_path / "README.md"
    column = "quick:synthfaces-studio:synthfaces-studio"
    readme.write_text(f"<!-- results bits=16 {column} -->\n<!-- /results -->\n")
    capsys.readouterr()
    assert main(["report", "--claims", "--readme", str(readme), *results]) == 0
    assert f"{readme}: 1 table, written" in capsys.readouterr().out
    assert re.search(r"\| DCDH.* \| .*0\.\d{3}", readme.read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "claims.csv", "claims.html", "claims.md", "claims.tex"
    }  # fmt: skip
    assert main(["report", "--readme", str(readme), *results]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main(["report", "--readme", str(tmp_path / "none.md"), *results]) == 2
    assert "--readme must name a file" in capsys.readouterr().err


def test_what_fails_of_a_report_leaves_table_summary_and_exit_code(
    where, tmp_path, capsys, monkeypatch
):
    """`run` ends as its cells deserve, `report` with 1; the table is shown by both."""
    tiny = ["random" if word == "dcdh" else word for word in TINY]

    def broken(*given, **named):
        raise RecursionError("too deep")

    monkeypatch.setattr("hashquant.report.page.write.page", broken)
    assert main([*tiny, *where, "--no-figures"]) == 0
    said = capsys.readouterr()
    assert said.err == (
        "error: the page could not be written (RecursionError: too deep); the rest was written\n"
    )
    assert "random codes" in said.out
    assert said.out.splitlines()[-1].startswith("summary: done=1 cached=0 skipped=0 failed=0")
    assert main(["report", "--no-figures", "--bundle", *where]) == 1
    said = capsys.readouterr()
    assert "the page could not be written" in said.err
    assert "random codes" in said.out
    assert (tmp_path / "reports/quick/bundle.zip").is_file()
    # Where nothing at all can be written, the table is shown anyway.
    monkeypatch.setattr("hashquant.report.write_report", broken)
    assert main([*tiny, *where, "--no-figures"]) == 0
    said = capsys.readouterr()
    assert said.err.endswith(
        "could not be written (RecursionError: too deep); its table is shown\n"
    )
    assert "random codes" in said.out
    assert said.out.splitlines()[-1].startswith("summary: done=0 cached=1 skipped=0 failed=0")
    monkeypatch.setattr("hashquant.report.across.claims.matrix_frame", broken)
    monkeypatch.setattr("hashquant.report.across.readme.gather", broken)
    readme = tmp_path / "R.md"
    readme.write_text("<!-- results bits=16 quick:synthfaces-studio:synthfaces-studio -->\n"
                      "<!-- /results -->\n")  # fmt: skip
    assert main(["report", "--claims", "--readme", str(readme), *where]) == 1
    said = capsys.readouterr()
    assert [line.partition(" could")[0] for line in said.err.splitlines()] == [
        "error: the claims", f"error: the tables of {readme}"
    ]  # fmt: skip
