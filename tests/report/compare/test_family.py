import pytest

from bench.errors import InputError
from bench.record_sections import ScoreInfo
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.family import Family, decisive, family_of
from bench.report.read.study import read_studies

UNKNOWN = ScoreInfo(title="WER", lowest=None, highest=None, better=None, pooling=None)
FOUR = {"bleu": 0.5, "wer": 0.1, "perplexity": 3.0, "rouge1": 0.5}


@pytest.fixture
def family(runs):
    def found(*asked):
        (study,) = read_studies(runs)
        return family_of("demo", comparisons_of(study.cells), asked)

    return found


def test_the_first_metric_decides_and_the_next_of_known_direction_is_tested_with_it(write_cell, family):
    write_cell("lora", only_scores=True, scores=FOUR, infos={"wer": UNKNOWN})
    assert family() == Family(("bleu", "perplexity"), "bleu")


def test_a_score_that_cannot_decide_says_why_and_leaves_it_to_the_next(write_cell, family):
    scores = {"wer": 0.1, "bertscore_f1": None, "perplexity": 3.0}
    write_cell("lora", only_scores=True, scores=scores, infos={"wer": UNKNOWN})
    assert family() == Family(
        ("perplexity",),
        "perplexity",
        (
            "WER does not decide which method is best: whether higher or lower is better is not known.",
            "BERTScore does not decide which method is best: no cell has it (the metric's encoder model is not "
            "available).",
        ),
    )
    assert family("wer").decides is None
    assert family("wer", "perplexity").decides == "perplexity"


def test_the_user_s_scores_are_tested_in_their_order(write_cell, family):
    write_cell("lora")
    assert family("rouge1", "bleu") == Family(("rouge1", "bleu"), "rouge1")


def test_an_unknown_score_is_refused(write_cell, family):
    write_cell("lora", only_scores=True, scores={"bleu": 0.5})
    with pytest.raises(InputError) as error:
        family("bleu", "f2")
    assert str(error.value) == "--family: no cell of demo has the score f2; there are bleu."


def test_a_score_that_cannot_decide_is_refused_where_others_can(write_cell, runs):
    write_cell("lora", only_scores=True, scores=FOUR, infos={"wer": UNKNOWN})
    (study,) = read_studies(runs)
    comparisons = comparisons_of(study.cells)
    assert decisive(comparisons, None) == "bleu"
    assert decisive(comparisons, "perplexity") == "perplexity"
    assert decisive([], "f2") is None
    for asked in ("f2", "wer"):
        with pytest.raises(InputError) as error:
            decisive(comparisons, asked)
        assert str(error.value) == (
            "decide.metric: must be a score that cells have and whose direction is known, such as bleu or perplexity "
            f"or rouge1, got {asked!r}; the same command with one of these goes on with the cells that have run"
        )
