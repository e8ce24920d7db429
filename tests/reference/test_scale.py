"""Logit is the scale of mAP on which seeds scatter alike whatever the mean: the stored records."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from hashquant.records.store import Store
from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.queries import gather

RESULTS = Path(__file__).parents[2] / "results"
SCALES = {"raw": lambda x: x, "log": np.log, "logit": lambda x: np.log(x / (1 - x))}


def scatters(suite):
    """Return mean mAP and, by scale, the variance between seeds of every trained cell, once."""
    records = Store(RESULTS).read(suite)
    means, found = [], {name: [] for name in SCALES}
    for study in gather(records, select_blocks(records)):
        seen = set()
        for (label, bits, secondary), cell in study.cells.items():
            if secondary or not cell.source or (label, bits) in study.block.untrained:
                continue
            if cell.runs in seen or len(cell.ap) < 2:
                continue
            seen.add(cell.runs)
            seeds = np.nanmean(cell.ap, axis=1)
            means.append(seeds.mean())
            for name, scale in SCALES.items():
                found[name].append(np.var(scale(seeds), ddof=1))
    return np.array(means), found


def correlations(suite):
    """Return by scale Spearman's correlation of variance and mean, and its p-value."""
    means, found = scatters(suite)
    return {name: tuple(spearmanr(means, values)) for name, values in found.items()}


@pytest.mark.parametrize("suite", ["cross-domain", "ablation-opqn"])
def test_the_variance_of_the_logit_does_not_depend_on_the_mean(suite):
    found = correlations(suite)
    assert found["raw"][0] > 0.3
    assert found["log"][0] < -0.2
    assert abs(found["logit"][0]) < 0.2
    assert found["logit"][1] > 0.05
