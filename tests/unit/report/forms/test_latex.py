"""LaTeX source of every table: its structure as text, and compiled where TeX is installed."""

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from hashquant.records.store import Store
from hashquant.report import Options, write_report
from hashquant.report.forms._tex import tex_escape, tex_prose
from hashquant.report.forms.display import Display, Mark, Sheet
from hashquant.report.forms.latex import LINES, latex, proof

ROOT = Path(__file__).resolve().parents[4]
NAMES = ["Łódź", "名前", r"\ & % $ # _ { } ~ ^", 'a`b<c>|d"e', "Zoë–ő±×→", "tab\there\x00"]


def sheet(*displays, intro=""):
    return Sheet("demo", "a suite", "A title", intro, displays)


def faults(source):
    """What would not compile in LaTeX source, told from its text alone."""
    source = re.sub(r"(?m)(?<!\\)%.*$", "", source)
    bare = re.sub(r"\\[\\{}&%$#_]", "", source)
    if bare.count("{") != bare.count("}"):
        yield "braces"
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z]+\*?)\}", source):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            yield f"environment {name}"
    if opened:
        yield f"environment {opened}"
    if not source.isascii():
        yield "letters beyond ASCII"
    yield from uneven_rows(source)
    outside = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", source, flags=re.S)
    if re.search(r"(?<!\\)[&#_]", outside.replace("#1", "").replace("#2", "")):
        yield "a special character in prose"


def uneven_rows(source):
    tabulars = re.findall(r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", source, re.S)
    for spec, body in tabulars:
        columns = len(re.sub(r">\{[^}]*\}p\{[^}]*\}", "p", spec))
        for row in body.splitlines():
            spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            cells = len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans)
            if row.endswith(r"\\") and cells != columns:
                yield f"{cells} cells in {columns} columns: {row}"


def pages(folder, names):
    """Compile files of tables; return the log, and the number of pages."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    (folder / "main.tex").write_text(proof(names, "demo", "d"))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
    log = (folder / "main.log").read_text(encoding="latin-1")
    assert "LaTeX Warning: Reference" not in log
    assert "Type 3" not in log
    return log, int(re.search(r"Output written on main.pdf \((\d+) page", log)[1])


def headline():
    """Two targets with 16 and 24 bits each, of two families."""
    heads = [
        ("", "method"),
        *itertools.product(["seen: a_b", "cross: 50%"], ["16 bits", "24 bits"]),
    ]
    rows = [
        ["pq", Mark("0.5000 ± 0.0100", 1), Mark("0.1000", 2, "=s"), Mark("–", note=1), "0.2000"],
        ["itq", *[Mark("0.4000 ± 0.0200 (n=1)", note=2, sign="=s")] * 4],
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(heads))
    return Display(
        "t", frame, "lrrrr", families=["quantization", "hashing"], caption="All of it.",
        notes=["skipped: a_b", "seed 1 failed"], lines=["seen: a_b: 5 queries."],
    )  # fmt: skip


def test_the_faults_are_seen():
    assert list(faults(r"\begin{tabular}{lr}" "\n" r"a \\" "\n" r"\end{tabular}")) != []
    assert list(faults("a_b")) == list(faults("a & b")) == ["a special character in prose"]
    assert list(faults("{")) == ["braces"]
    assert list(faults(r"\begin{table}")) == ["environment ['table']"]


def test_targets_stand_beside_each_other_under_rules():
    source = latex(sheet(headline()), "d1")
    assert source.startswith("% records: d1\n% needs \\usepackage{array} \\usepackage{booktabs}")
    assert r" & \multicolumn{2}{c}{seen: a\_b} & \multicolumn{2}{c}{cross: 50\%} \\" in source
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}" in source
    assert r"\textbf{0.5000}\,{\scriptsize{}$\pm$\,0.0100} &" in source
    assert r"\underline{0.1000}\rlap{\textsuperscript{=s}} &" in source
    assert r"--\rlap{\textsuperscript{1}} & 0.2000 \\" in source
    assert r"0.0200} (n=1)\rlap{\textsuperscript{=s,2}}" in source
    assert r"\textsuperscript{1}~skipped: a\_b" in source
    assert source.index(r"\emph{quantization}") < source.index("pq &") < source.index("hashing")
    assert r"\label{tab:a-suite-5dd72ee4-demo}" in source
    assert list(faults(source)) == []


def test_only_the_spread_is_small():
    texts = ["0.5 ± 0.01; 0.41 (0.2 … 0.6)", "a\n± b", "", Mark("0.5 [0.1, 0.2] (n=1)", rank=1)]
    source = latex(sheet(Display.of("t", [[text] for text in texts], ["mAP"], "r")), "d")
    assert r"0.5\,{\scriptsize{}$\pm$\,0.01}; 0.41 (0.2 $\ldots$ 0.6) \\" in source
    assert r"a $\pm$ b \\" in source
    assert r"\textbf{0.5}\,{\scriptsize{}[0.1, 0.2]} (n=1) \\" in source


def test_a_wide_table_is_cut_between_its_targets_and_names_its_rows_again():
    heads = [("", "method"), *itertools.product(map(str, range(5)), ["16 bits", "24 bits"])]
    rows = [["opqn", *["0.1234 ± 0.0123"] * 10]]
    frame = pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(heads))
    source = latex(sheet(Display("t", frame, "l" + "r" * 10)), "d")
    bodies = source.split(r"\begin{tabular}")[1:]
    assert [body.count("0.1234") for body in bodies] == [6, 4]
    assert all("opqn &" in body for body in bodies)
    assert source.count(r"\caption") == 1
    assert r"\begin{table*}" in source
    assert list(faults(source)) == []


def test_a_long_table_is_cut_between_rows():
    rows = [[str(n), "x"] for n in range(2 * LINES + 1)]
    source = latex(sheet(Display.of("all", rows, ["row", "is"], "ll")), "d")
    assert source.count(r"\begin{table}") == 3
    assert "all, part 2 of 3." in source
    assert [int(n) for n in re.findall(r"(?m)^(\d+) &", source)] == list(range(2 * LINES + 1))


def test_prose_is_said_once_and_then_referred_to():
    one, two = (Display.of(name, [["a"]], ["row"], "l") for name in ("first", "second"))
    source = latex(sheet(one, two, intro="Read `a_b` so."), "d")
    assert r"\caption{A title: first. Read \texttt{a\_b} so.}" in source
    assert r"\caption{A title: second. Read as Table~\ref{tab:a-suite-5dd72ee4-demo}.}" in source
    assert r"\label{tab:a-suite-5dd72ee4-demo-2}" in source


def test_long_texts_and_heads_are_broken_into_lines():
    rows = [["a", "word " * 12, "1"]]
    source = latex(sheet(Display.of("t", rows, ["row", "note", "mean absolute error"], "llr")), "d")
    assert re.search(r"\{l>\{\\raggedright\\arraybackslash\}p\{\d+pt\}r\}", source)
    assert r"\shortstack[r]{mean\\absolute\\error}" in source
    assert list(faults(source)) == []


def test_everything_special_is_escaped():
    assert tex_escape(r"\ & % $ # _ { } ~ ^") == (
        r"\textbackslash{} \&\,\% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{}"
    )
    assert tex_escape("Zoë") == r"Zo\"{e}"
    assert tex_escape("人") == r"\hqletter{20154}{4EBA}"
    assert tex_escape("a\x00\tb") == "a  b"
    assert tex_prose("`x_y` z") == r"\texttt{x\_y} z"


def test_awkward_names_compile(tmp_path):
    letters = "".join(map(chr, (*range(0xA1, 0x250), *range(0x391, 0x3CA))))
    names = [*NAMES, *(letters[n : n + 30] for n in range(0, len(letters), 30))]
    rows = [[name, Mark("0.5", 1, note=1)] for name in names]
    shown = Display.of("t", rows, ["row", "mAP"], "lr")
    source = latex(sheet(shown, intro=" ".join(NAMES[:2] + NAMES[4:])), "d")
    assert list(faults(source)) == []
    (tmp_path / "demo.tex").write_text(source)
    pages(tmp_path, ["demo"])


def checked(folder):
    """Every table of a report: no fault in its text, and the pages it compiles to."""
    found = sorted(path for path in folder.glob("*.tex") if path.name != "all.tex")
    for path in found:
        assert list(faults(path.read_text())) == [], path.name
    names = [path.stem for path in found]
    assert [f"\\input{{{name}}}" in (folder / "all.tex").read_text() for name in names] == (
        [True] * len(names)
    )
    log, number = pages(folder, names)
    assert "Overfull \\hbox" not in log
    return names, number


def test_a_report_compiles(make, tmp_path):
    records = make.full(["opqn", "gpq", "dcdh"], bits=(16, 24, 36, 48, 64))
    lost = make.training("failed", "a_b & 50% <x> | {y}", method="dpq", bits=16, dataset="Łódź 名")
    cross = [
        make.evaluation(0.3, target=f"folder:{n}/人", method=method, bits=bits)
        for n in range(3) for method in ("opqn", "gpq", "dcdh") for bits in (16, 24, 36, 48, 64)
    ]  # fmt: skip
    variant = make.evaluation(0.4, overrides={"codebooks": "learned"})
    records = make.records([*records.evals, *cross, variant], [*records.trains, lost])
    write_report(records, tmp_path, Options(figures=False))
    names, number = checked(tmp_path / "tables")
    assert {"map", "budgets", "health", "intervals", "wins", "claims", "domain_matrix"} < {*names}
    assert number > len(names)


def test_the_tables_of_a_committed_suite_compile(tmp_path):
    records = Store(ROOT / "results").read("faces")
    assert records.evals
    write_report(records, tmp_path, Options(figures=False))
    names, _ = checked(tmp_path / "tables")
    assert {"map", "claims"} < {*names}


def test_headings_and_captions_of_many_rows_count_where_a_table_is_cut():
    rows = [[f"m{i}", "0.5"] for i in range(40)]
    frame = pd.DataFrame(rows, columns=["method", "16 bits"])
    few = Display("t", frame, "lr", families=["hashing"] * 40, caption="short")
    parts = [f"part {i // 4}" for i in range(40)]
    assert latex(sheet(few), "d").count(r"\begin{tabular}") == 1
    many = Display("t", frame, "lr", families=parts, caption="long " * 300)
    source = latex(sheet(many), "d")
    assert source.count(r"\begin{tabular}") == 2
    # Each part of the table names what its first row stands under.
    assert all(
        r"\multicolumn{2}{l}{\emph{part" in float_ for float_ in source.split("tabular")[1::2]
    )
