"""One training set's targets stand beside each other, with what sets each apart said."""

import dataclasses

import pytest

from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.forms.latex import latex
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.maps import beside, map_sheet, map_tables


@pytest.fixture
def pair(make):
    """Two methods, two lengths, trained on studio and examined there and on the street."""

    def value(home):
        return {"opqn": 0.9, "dcdh": 0.8} if home else {"opqn": 0.3, "dcdh": 0.4}

    evals = []
    for target in ("", "street"):
        for method, found in value(not target).items():
            for bits in (16, 24):
                if (method, bits, target) != ("dcdh", 24, "street"):
                    record = make.evaluation(found, method=method, bits=bits, dataset="studio",
                                             target=target)  # fmt: skip
                    protocol = "cross" if target else "seen"
                    evals.append(dataclasses.replace(record, protocol=protocol))
    lost = make.training(method="dcdh", bits=24, dataset="studio")
    return make.records(evals, [lost])


def test_the_terminal_shows_both_targets_in_one_table(pair, shown):
    text = shown(pair)
    assert text.count("16 bits") == 2
    lines = text.splitlines()
    heads = next(line for line in lines if line.startswith(" ") and "seen: studio" in line)
    assert heads.split("  ")[-1].strip() == "cross: street"
    opqn = next(line for line in lines if line.startswith("opqn"))
    assert opqn.split() == ["opqn", "0.9000*", "0.9000*", "0.3000°", "0.3000"]
    dcdh = next(line for line in lines if line.startswith("dcdh"))
    assert dcdh.split() == ["dcdh", "0.8000°", "0.8000°", "0.4000*", "–", "[1]"]
    assert "[1] trained, but not examined on street" in text
    assert text.count("sphere20-narrow") == 1
    assert "cross: street: protocol cross, split 0123456789ab" in text
    # A group's name and rule stand over its first column.
    assert heads.index("cross") == lines[lines.index(heads) + 1].rindex("  -") + 2
    first = next(line for line in lines if line.startswith("----"))
    assert first[: heads.index("cross")].count("  ") == 3


def test_tables_too_wide_for_a_terminal_stand_below_each_other(make, shown):
    evals = [
        make.evaluation(0.5, method=method, bits=bits, seed=seed, target=target)
        for method in ("opqn", "dcdh") for bits in (16, 24, 36, 48) for seed in (0, 1)
        for target in ("", "olivetti")
    ]  # fmt: skip
    text = shown(make.records(evals))
    assert max(map(len, text.splitlines())) <= 98
    assert "lfw, mAP:" in text
    assert "lfw → olivetti, mAP:" in text


def test_markdown_begins_with_the_joined_table_and_keeps_the_others(pair):
    text = markdown(map_sheet(map_tables(pair, HEADLINE), pair), "d")
    joined, _, rest = text.partition("## studio, mAP")
    assert "## studio: single-domain beside cross-domain, mAP" in joined
    row = next(line for line in joined.splitlines() if "opqn" in line)
    assert [part.strip() for part in row.strip("|").split("|")] == [
        "quantization", "opqn", "**0.9000**", "**0.9000**", "<u>0.3000</u>", "0.3000"
    ]  # fmt: skip
    assert "seen: studio, 16 bits" in joined
    assert "cross: street, 24 bits" in joined
    assert "## studio → street, mAP" in rest


def test_what_differs_in_rows_lengths_or_settings_is_not_joined(make, pair):
    assert [len(group) for group in beside(map_tables(pair, HEADLINE))] == [2]
    for change in ({"method": "gpq"}, {"bits": 36}):
        more = make.evaluation(**({"dataset": "studio", "method": "opqn"} | change))
        records = make.records([*pair.evals, more], pair.trains)
        assert beside(map_tables(records, HEADLINE)) == []
    longer = [
        dataclasses.replace(r, spec=dataclasses.replace(r.spec, epochs=99))
        if r.target == "street" else r
        for r in pair.evals
    ]  # fmt: skip
    assert beside(map_tables(make.records(longer), HEADLINE)) == []


def test_target_statistics_adapter_and_version_are_said(make):
    record = dataclasses.replace(
        make.evaluation(target="olivetti+norm_stats=target"),
        adapter="gray", target_version="feedbeef0123456", protocol="cross",
    )  # fmt: skip
    (table,) = map_tables(make.records([record]), HEADLINE)
    assert table.title == "lfw → olivetti (norm_stats=target), mAP"
    for said in (
        "examined on olivetti (norm_stats=target), protocol cross", "data version feedbeef0123,",
        "its colours turned to gray", "batch-norm statistics estimated anew",
    ):  # fmt: skip
        assert said in table.caption


def test_the_heads_of_joined_columns_say_whose_statistics(make):
    evals = [make.evaluation(), make.evaluation(target="lfw+norm_stats=target")]
    records = make.records(evals)
    text = markdown(map_sheet(map_tables(records, HEADLINE), records), "d")
    assert "seen: lfw (norm_stats=target), 16 bits" in text


def test_cosine_is_named(make):
    record = make.evaluation(method="float")
    scores = tuple(dataclasses.replace(s, comparison="cosine") for s in record.scores)
    (table,) = map_tables(make.records([dataclasses.replace(record, scores=scores)]), HEADLINE)
    assert "Compared by cosine of float embeddings (reference)." in table.caption


@pytest.fixture
def near(exams, people, middling):
    """The best, one that other people could put before it, and two that are far below."""
    exams.add(middling + 0.2, people, method="float")
    exams.add(middling + 0.001, people, method="opqn")
    exams.add(middling[::-1], people, method="dcdh")
    for method in ("gpq", "dpq"):
        exams.add(middling - 0.1, people, method=method)
    return exams.records()


def test_what_is_undecided_is_marked_and_explained_in_every_form(near, shown):
    sheet = map_sheet(map_tables(near, HEADLINE), near)
    texts = [markdown(sheet, "d"), shown(near), latex(sheet, "d")]
    signs = ("<sup>=</sup>", "=", r"\textsuperscript{=}")
    for text, mark in zip(texts, signs, strict=True):
        rows = [line for line in text.splitlines() if "0." in line and "trained" not in line]
        marked = [line for line in rows if mark in line and "dcdh" in line]
        assert len(marked) == 1
        assert not any(mark in line for line in rows if "gpq" in line or "opqn" in line)
        said = " ".join(text.split())
        assert "= undecided, other people could turn the order; no sign: significantly" in said
        assert "identities alone: 1 seed" in said
        assert "1 seed: the spread between trainings is unknown" in said


def test_what_only_another_training_could_turn_has_its_own_sign(exams, people, middling, shown):
    for seed, shift in enumerate((0.03, -0.03, 0.0)):
        exams.add(middling + 0.05 + shift, people, method="opqn", seed=seed)
        exams.add(middling, people, method="dcdh", seed=seed)
        exams.add(middling - 0.35, people, method="gpq", seed=seed)
        exams.add(middling - 0.36, people, method="dpq", seed=seed)
    records = exams.records()
    sheet = map_sheet(map_tables(records, HEADLINE), records)
    for text in (markdown(sheet, "d"), shown(records), latex(sheet, "d")):
        assert "=s undecided, another training could" in " ".join(text.split())
    (row,) = [line for line in markdown(sheet, "d").splitlines() if "| dcdh" in line]
    assert "<sup>=s</sup>" in row


def test_where_most_is_undecided_a_line_stands_in_place_of_signs(exams, people, middling, shown):
    exams.add(middling + 0.001, people, method="opqn")
    exams.add(middling[::-1], people, method="dcdh")
    records = exams.records()
    sheet = map_sheet(map_tables(records, HEADLINE), records)
    for text in (markdown(sheet, "d"), shown(records), latex(sheet, "d")):
        said = " ".join(text.split())
        assert "1 of 1 comparisons with the best are undecided, so no cell is marked." in said
        assert "no sign:" not in said
    assert map_tables(records, HEADLINE)[0].cells["undecided"].sum() == 1


def test_no_sign_is_explained_where_nothing_is_compared(make, shown):
    records = make.records([make.evaluation()])
    for text in (markdown(map_sheet(map_tables(records, HEADLINE), records), "d"), shown(records)):
        assert "undecided" not in text
        assert "significantly" not in text
