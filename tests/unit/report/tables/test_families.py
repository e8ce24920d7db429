"""Best against best: planted differences are found, and luck is not mistaken for them."""

import numpy as np
import pandas as pd
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.queries import gather
from hashquant.report.tables.families import BEST, families_frame


def families(records) -> pd.DataFrame:
    return families_frame(gather(records, select_blocks(records)))


def planted(exams, people, middling, cross=0.1):
    """Quantization ahead by 0.2 at home and by `cross` elsewhere; controls far above and below."""
    for target, protocol, ahead in (("lfw", "seen", 0.2), ("olivetti-cross", "cross", cross)):
        where = {"target": target, "protocol": protocol}
        rows = {"opqn": ahead, "gpq": ahead - 0.1, "dcdh": 0.0, "csq": -0.1}
        for method, shift in rows.items():
            exams.add(middling + shift, people, method=method, **where)
        for method in ("lsh", "itq", "opq"):
            exams.add(0.1 * middling, people, method=method, base={"method": "float"}, **where)
        exams.add(0.1 * middling, people, method="random", **where)
        exams.add(middling + 0.39, people, method="pq", base={"method": "float"}, **where)
    return exams.records()


def best_of(frame, target):
    (found,) = frame[(frame["kind"] == BEST) & (frame["target"] == target)].to_dict("records")
    return found


def test_the_best_of_each_family_are_compared(exams, people, middling):
    frame = families(planted(exams, people, middling, cross=0.0))
    home, cross = (best_of(frame, target) for target in ("lfw", "olivetti-cross"))
    assert (home["quantization"], home["hashing"]) == ("opqn", "dcdh")
    assert home["difference"] == pytest.approx(0.2)
    assert home["low"] == pytest.approx(0.2)
    assert home["p_adjusted"] < 0.05
    assert cross["difference"] == pytest.approx(0.0, abs=1e-12)
    assert cross["p_adjusted"] == 1.0
    pairs = frame[(frame["kind"] != BEST) & (frame["target"] == "lfw")]
    found = dict(zip(zip(pairs["quantization"], pairs["hashing"], strict=True),
                     pairs["difference"], strict=True))  # fmt: skip
    assert found == pytest.approx({("opqn", "dcdh"): 0.2, ("opqn", "csq"): 0.3,
                                   ("gpq", "dcdh"): 0.1, ("gpq", "csq"): 0.2})  # fmt: skip


def test_a_family_that_is_chosen_by_luck_gains_nothing(exams, people):
    """Five equal rows against one equal row: the best of five is the luckiest, not the better."""
    leads = []
    for trial in range(20):
        here = type(exams)(exams.root / str(trial))
        generator = np.random.default_rng(trial)
        for method in ("opqn", "gpq", "dpq", "pqn", "dtq"):
            noise = generator.normal(0, 0.1, 40)[people]
            here.add(0.5 + noise, people, method=method)
        here.add(0.5 + generator.normal(0, 0.1, 40)[people], people, method="dcdh")
        leads.append(best_of(families(here.records()), "lfw")["difference"])
    naive = 0.1 / np.sqrt(40) * 1.163  # the expected maximum of five
    assert abs(np.mean(leads)) < naive / 2


def test_a_family_without_a_learned_method_has_no_difference(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling, people, method="lsh", base={"method": "float"})
    assert families(exams.records()).empty


def test_heads_are_compared_with_heads_where_nothing_else_is_trained(exams, people, middling):
    heads = {"base": {"method": "float"}, "head_only": True}
    for method, shift in {"opqn": 0.2, "dcdh": 0.0}.items():
        exams.add(middling + shift, people, method=method, **heads)
    exams.add(middling + 0.3, people, method="pq", base={"method": "float"})
    found = best_of(families(exams.records()), "lfw")
    assert (found["quantization"], found["hashing"]) == (
        "opqn head_only=True", "dcdh head_only=True",
    )  # fmt: skip
    exams.add(middling, people, method="gpq")
    exams.add(middling - 0.1, people, method="csq")
    found = best_of(families(exams.records()), "lfw")
    assert (found["quantization"], found["hashing"]) == ("gpq", "csq")
