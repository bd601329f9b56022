import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import f1_score

from bench.report.statistics.formulas import macro_f1
from bench.report.statistics.jackknife import BLOCK, Spread, jackknife_variance, mean_formula, spread


def pool(values):
    return np.column_stack([values, np.ones(len(values))]), mean_formula


def test_the_jackknife_of_a_mean_is_its_usual_variance():
    values = np.random.default_rng(0).normal(3, 2, 40)
    found = spread([pool(values)])
    assert (found.mean, found.n_seeds, found.n_clusters) == (pytest.approx(values.mean()), 1, 40)
    assert jackknife_variance(found.without[0]) == pytest.approx(values.var(ddof=1) / 40)


def test_scores_without_each_document_are_those_of_the_examples_that_are_left():
    draw = np.random.default_rng(1)
    pairs = [(str(own), str(true)) for own, true in draw.integers(0, 6, size=(90, 2))]
    documents = np.repeat(np.arange(30), 3)
    parts, formula = macro_f1(pairs)
    summed = csr_array((np.ones(90), (documents, np.arange(90)))) @ parts
    found = spread([(summed, formula)])
    for document in range(30):
        own, true = zip(*(pair for pair, of in zip(pairs, documents, strict=True) if of != document), strict=True)
        theirs = f1_score(true, own, average="macro", zero_division=0)
        assert found.without[0, document] == pytest.approx(theirs)


def test_more_documents_than_a_block_are_all_left_out_once():
    values = np.arange(2 * BLOCK + 3, dtype=float)
    total = values.sum()
    assert spread([pool(values)]).without[0] == pytest.approx((total - values) / (len(values) - 1))


def test_seeds_that_differ_alike_on_every_document_vary_by_what_they_differ():
    found = Spread(np.array([0.3, 0.5, 0.6]), np.array([[0.3] * 8, [0.5] * 8, [0.6] * 8]) + np.linspace(0, 0.1, 8))
    assert found.seed_variance == pytest.approx(np.var([0.3, 0.5, 0.6], ddof=1))


def test_documents_explain_what_seeds_differ_by():
    # 6 and 4 of 10 right, each on other documents: the variance between seeds is 0.02
    one, other = np.array([1.0] * 6 + [0.0] * 4), np.array([0.0] * 6 + [1.0] * 4)
    apart = one - other
    # Half of the squared difference, of which documents explain the variance of its mean
    explained = apart.var(ddof=1) / 10 / 2
    assert explained > 0.02
    assert spread([pool(one), pool(other)]).seed_variance == 0
    many = [np.repeat(each, 40) for each in (one, other)]
    left = 0.02 - (many[0] - many[1]).var(ddof=1) / 400 / 2
    assert spread(list(map(pool, many))).seed_variance == pytest.approx(left)


def test_of_one_seed_nothing_is_known():
    assert spread([pool(np.array([0.0, 1.0, 1.0]))]).seed_variance == 0
