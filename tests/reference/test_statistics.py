"""Intervals cover a known truth and tests keep their level: simulations of whole studies.

A study: people of unequal difficulty, unequally often queried, and seeds that move the mean of all
queries, of single people and of single queries. Its truth is the mean of the distribution it is
drawn from. With 600 studies the Monte Carlo error of a rate of 95 % is 0.9 points; a rate may
stray by three such errors, which a right construction does once in 370 tests and a fixed seed
never again. Intervals that must guess the seeds' variance may cover more, never less. Whole
suites, whose seeds' variance is moderated, are drawn in `studies`.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from reference.studies import Design
from reference.studies import rates as suite_rates

from hashquant.statistics import Resampler, difference, interval, mean_interval

pytestmark = pytest.mark.slow

STUDIES = 600
LEVEL = 0.95
STRAY = 3 * np.sqrt(LEVEL * (1 - LEVEL) / STUDIES)
TRUTH = 0.6
REPLICATES = 1999


@dataclass(frozen=True)
class Study:
    """Standard deviations of what a query's average precision is made of."""

    identities: int = 100
    seeds: int = 3
    person: float = 0.15
    query: float = 0.2
    seed: float = 0.02
    seed_person: float = 0.05
    seed_query: float = 0.1

    def queries(self, rng):
        """Whom each query shows, and what all methods find hard about it."""
        sizes = np.minimum(rng.geometric(0.2, self.identities), 30)  # 1 to 30, mean 5
        identity = np.repeat(np.arange(self.identities), sizes)
        people = rng.normal(0, self.person, self.identities)[identity]
        return identity, people + rng.normal(0, self.query, len(identity))

    def runs(self, rng, identity, hard):
        """Average precision of the runs of one method."""
        shape = (self.seeds, self.identities)
        trained = rng.normal(0, self.seed, (self.seeds, 1))
        trained = trained + rng.normal(0, self.seed_person, shape)[:, identity]
        return TRUTH + hard + trained + rng.normal(0, self.seed_query, trained.shape)


def rates(study, start, *, studies=STUDIES):
    """Return how often the truth is covered, and how often two like methods seem to differ."""
    covered = wrong = 0
    for number in range(studies):
        rng = np.random.default_rng([start, number])
        identity, hard = study.queries(rng)
        one, other = (study.runs(rng, identity, hard) for _ in "ab")
        resampler = Resampler(identity, replicates=REPLICATES, seed=number)
        drawn = resampler.replicates(one, "a")
        found = interval(resampler.mean(one), drawn, LEVEL)
        covered += found.low <= TRUTH <= found.high
        contrast = resampler.mean(one) - resampler.mean(other)
        rival = resampler.replicates(other, "b")
        wrong += difference(contrast, drawn - rival).p_value <= 1 - LEVEL
    return covered / studies, wrong / studies


@pytest.mark.parametrize("identities", [60, 150])
def test_without_seeds_the_coverage_is_nominal(identities):
    study = Study(identities, seeds=1, seed=0.0, seed_person=0.0, seed_query=0.0)
    coverage, _ = rates(study, identities)
    assert coverage == pytest.approx(LEVEL, abs=STRAY)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_where_seeds_prevail_the_coverage_is_nominal(seeds):
    study = Study(
        seeds=seeds, person=0.02, query=0.05, seed=0.05, seed_person=0.01, seed_query=0.02
    )
    coverage, wrong = rates(study, seeds)
    assert coverage == pytest.approx(LEVEL, abs=STRAY)
    assert wrong <= 1 - LEVEL + STRAY


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.003, 0.02])
def test_with_seeds_and_identities_the_coverage_is_at_least_nominal(seeds, spread):
    coverage, wrong = rates(Study(seeds=seeds, seed=spread), 10 * seeds)
    assert coverage >= LEVEL - STRAY
    assert wrong <= 1 - LEVEL + STRAY


@pytest.mark.parametrize("spread", [0.01, 0.05])
def test_single_runs_of_methods_that_differ_on_people_only_keep_the_level(spread):
    study = Study(60, seeds=1, seed=0.0, seed_person=spread)
    _, wrong = rates(study, 7)
    assert wrong == pytest.approx(1 - LEVEL, abs=STRAY)


EQUAL, FOURFOLD = (1.0,) * 8, tuple(4.0 ** np.linspace(0, 1, 8))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize(
    ("variances", "skewed"), [(EQUAL, False), (FOURFOLD, False), (EQUAL, True)],
    ids=["equal", "fourfold", "skewed"],
)  # fmt: skip
def test_a_moderated_variance_keeps_coverage_and_level(seeds, variances, skewed):
    """Over all pairs of rows; the two noisiest rows of a fourfold range may reach 6 %."""
    found = suite_rates(Design(seeds, variances, skewed=skewed), 400, start=len(set(variances)))
    coverage, wrong, noisiest = found
    assert 0.93 <= coverage <= 0.97
    assert wrong <= 0.05
    assert noisiest <= 0.06 + 3 * np.sqrt(0.06 * 0.94 / 400)


@pytest.mark.parametrize("variances", [EQUAL, FOURFOLD], ids=["equal", "fourfold"])
def test_one_target_and_few_rows_keep_the_level(variances):
    """What is learnt from little may not be believed: five rows of one target, two seeds."""
    coverage, wrong, _ = suite_rates(Design(2, variances[:5], targets=1), 400, start=3)
    assert coverage >= 0.93
    assert wrong <= 0.05


def test_a_wild_row_costs_the_others_neither_level_nor_coverage():
    coverage, wrong, _ = suite_rates(Design(2, (*EQUAL[:7], 25.0)), 400, start=4)
    assert 0.93 <= coverage <= 0.97
    assert wrong <= 0.05


def test_average_precisions_near_one_are_covered():
    covered = 0
    for number in range(STUDIES):
        rng = np.random.default_rng([11, number])
        identity, _ = Study(80).queries(rng)
        person = rng.beta(6, 2, 80)[identity]
        ap = rng.beta(4 * person, 4 * (1 - person))[None]
        found = mean_interval(ap, identity, replicates=REPLICATES, seed=number)
        covered += found.low <= 0.75 <= found.high  # the mean of a beta(6, 2)
    assert covered / STUDIES == pytest.approx(LEVEL, abs=STRAY)


def test_a_bootstrap_of_single_queries_would_not_cover():
    study, covered = Study(seeds=1, seed=0.0, seed_person=0.0, seed_query=0.0), 0
    for number in range(200):
        rng = np.random.default_rng([5, number])
        identity, hard = study.queries(rng)
        ap = study.runs(rng, identity, hard)
        found = mean_interval(ap, np.arange(len(identity)), replicates=999, seed=number)
        covered += found.low <= TRUTH <= found.high
    assert covered / 200 < LEVEL - 2 * STRAY
