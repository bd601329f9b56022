import io

import pytest
from PIL import Image

from bench.protocol import Step
from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import Effect
from bench.report.figures import charts
from bench.report.read.study import read_studies

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
EFFECT = Effect("tiny", "lora", "baseline", "token_f1", 0.1, None, None, None, "no answers")


def drawn(study, *compared):
    return list(charts(study, comparisons_of(study.cells, study.predictions), compared))


@pytest.fixture
def study(write_cell, runs):
    """A study that has something for every chart."""
    for method in ("baseline", "lora"):
        folder = write_cell(method)
    step = Step(
        at_s=1.0, step=1, n_steps=1, epoch=1.0, loss=2.0, learning_rate=0.1, grad_norm=None, seconds=1.0, tokens=9
    )
    (folder / "events.jsonl").write_text(f"{step.model_dump_json()}\n")
    return read_studies(runs)[0]


def test_charts_stand_in_reading_order(study):
    assert [(chart.name, chart.title, chart.alt) for chart in drawn(study, EFFECT)] == [
        (
            "scores",
            "Scores by method",
            "Bars of Token F1, Exact match, Macro F1, BLEU, ROUGE-1 and ROUGE-2 by method, for tiny.",
        ),
        (
            "effects",
            "Differences from the reference",
            "How far the scores of each method are from those of the reference, with intervals, for tiny.",
        ),
        (
            "tradeoff",
            "Token F1 against energy, memory and time",
            "Points of Token F1 over what it cost by method, the Pareto front marked, for tiny.",
        ),
        (
            "distribution",
            "Scores of single examples",
            "Shares of examples that scored 0, 1 and between, by method, for tiny.",
        ),
        ("costs", "Power and memory by method", "Bars of peak power and memory by method, for tiny."),
        (
            "losses-tiny",
            "Training and evaluation loss of tiny",
            "Curves of training and evaluation loss by step and method, for tiny.",
        ),
    ]


def test_files_open_and_are_the_same_bytes_each_time(study):
    first, second = drawn(study, EFFECT), drawn(study, EFFECT)
    assert [(one.png, one.pdf) for one in first] == [(other.png, other.pdf) for other in second]
    for chart in first:
        with Image.open(io.BytesIO(chart.png)) as image:
            image.load()
            assert image.format == "PNG"
            assert len(image.convert("RGB").getcolors(maxcolors=2**20)) > 50
            assert "Software" not in image.info
        assert chart.pdf.startswith(b"%PDF-1.4")
        assert b"/CreationDate" not in chart.pdf
        # Type 3 fonts are refused by publishers
        assert b"/Subtype /Type3" not in chart.pdf


def test_charts_that_would_show_nothing_are_left_out(write_cell, runs):
    write_cell("lora", **OOM)
    assert drawn(read_studies(runs)[0]) == []


def test_what_takes_several_pages_says_which_is_which(write_cell, runs):
    for index in range(40):
        write_cell("lora", folder=f"{index}", readings=(), method_settings={"rank": index})
    written = [(chart.name, chart.title, chart.alt) for chart in drawn(read_studies(runs)[0])]
    alt = "Bars of peak power and memory by method, for tiny."
    assert [each for each in written if each[0].startswith("costs")] == [
        ("costs", "Power and memory by method (1 of 2)", f"{alt} Page 1 of 2."),
        ("costs-2", "Power and memory by method (2 of 2)", f"{alt} Page 2 of 2."),
    ]


def test_names_from_outside_are_drawn_as_text(write_cell, runs):
    hostile = "$\\frac{1}{0}$ \u4e2d\u202e"
    for method in ("baseline", hostile):
        write_cell(method, folder=f"{len(method)}", model=hostile, trainable=1000, training={"evaluations": []})
    effect = Effect("$\\frac{1}{0}$ \u4e2d\\u202e", "baseline", hostile, "token_f1", 0.1, None, 0.5, 0.5, None)
    assert len(drawn(read_studies(runs)[0], effect)) == 5
