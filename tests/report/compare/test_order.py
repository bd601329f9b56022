import pytest

from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.order import in_order
from bench.report.read.study import read_studies

FAILED = {"status": "failed", "error": Error(type="InputError", message="no such layer", phase="prepare")}


@pytest.fixture
def ordered(runs):
    def labels(decides="token_f1"):
        found = in_order(comparisons_of(read_studies(runs)[0].cells), decides)
        return [(each.ordered_by, "".join(setup.label for setup in each.setups)) for each in found]

    return labels


def write_methods(write_cell, methods, model="tiny"):
    """Methods of one letter. The later in the alphabet, the better the score and the perplexity; x failed."""
    for method in methods:
        place = ord(method) - ord("a")
        scores = {"token_f1": place / 32, "perplexity": 32.0 - place}
        write_cell(method, model=model, readings=(), answered=(), scores=scores, **(FAILED if method == "x" else {}))


def test_a_few_methods_stay_in_the_order_of_their_names(write_cell, ordered):
    write_methods(write_cell, "hgfedcba")
    assert ordered() == [(None, "abcdefgh")]


def test_of_many_methods_the_best_come_first_and_those_without_a_score_last(write_cell, ordered):
    write_methods(write_cell, "abcxdefgh")
    assert ordered() == [("Token F1", "hgfedcbax")]
    assert ordered("perplexity") == [("Perplexity", "hgfedcbax")]
    assert ordered(None) == [(None, "abcdefghx")]


def test_all_comparisons_of_a_study_are_ordered_alike(write_cell, ordered):
    write_methods(write_cell, "abcdefghi")
    write_methods(write_cell, "ab", model="tiny2")
    assert ordered() == [("Token F1", "ihgfedcba"), ("Token F1", "ba")]
