"""The simulated studies behind docs/statistics.md: their truth is what they score on very many documents."""

import numpy as np
import pytest
import simulated

KINDS = ("mean", "exact match 0.6", "exact match 0.97", "skewed F1", "macro F1", "corpus BLEU", "perplexity")


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_the_score_of_very_many_documents(kind: str) -> None:
    (own,) = (each for each in simulated.KINDS if each.name == kind)
    design = simulated.Design(n_seeds=1, n_documents=20_000, seed_sd=0.4, n_methods=1)
    rng = np.random.default_rng(0)
    study = simulated.latent(design, rng)
    parts, formula = own.parts(study, rng)[0][0]
    found = formula(np.asarray(parts.sum(axis=0), dtype=float)[:, np.newaxis])[0]
    assert found == pytest.approx(own.truth(design, study)[0], rel=0.02, abs=0.01)


def test_over_seeds_the_truth_is_the_mean_of_what_they_score() -> None:
    (mean, exact, *_) = simulated.KINDS
    assert mean.over_seeds(0.3) == pytest.approx(0, abs=1e-9)
    # Of all latent numbers, with the variance of seeds added, those above the one that leaves 60 % without it
    least = -0.2533471 * simulated.TOTAL_SD
    share = float(1 - simulated.ndtr(least / np.hypot(simulated.TOTAL_SD, 0.3)))
    assert exact.over_seeds(0.3) == pytest.approx(share, abs=2e-3)
