import csv
import io
from pathlib import Path

import pytest

import bench.report.tables.published
from bench.report.render.formats import csv_table
from bench.report.request import Request
from bench.report.tables.published import FIGURES, published

GIVEN = list(csv.DictReader(Path(bench.report.tables.published.__file__).with_name("study.csv").open()))
METHODS = ("baseline", "lora", "qlora", "toplayer")


@pytest.fixture
def tables(write_cell, tables_of, runs):
    """The tables of a study with all cells of the published one."""
    for model in ("llama1b", "llama3b", "mistral7b"):
        for method in METHODS:
            write_cell(method, model=model, power_w=100.0, device_bytes=20 * 10**9)
    return tables_of(runs, Request(against="study"))


def rows_of(table):
    return list(csv.DictReader(io.StringIO(csv_table(table))))


def test_every_published_figure_arrives(tables):
    assert len(GIVEN) == len(published()) == 12
    for model in ("llama1b", "llama3b", "mistral7b"):
        told = {(row["method"], row["figure"]): row["published"] for row in rows_of(tables[f"against-{model}"])}
        expected = {
            (row["method"], FIGURES[name].heading): float(row[name])
            for row in GIVEN
            if row["model"] == model
            for name in FIGURES
            if row[name]
        }
        assert {key: float(value) for key, value in told.items()} == expected
        # All nine figures, but for a baseline's trainable share
        assert len(told) == 35


def test_measured_less_published(tables):
    (power,) = (
        row
        for row in rows_of(tables["against-llama1b"])
        if (row["method"], row["figure"]) == ("lora", "Peak power (W)")
    )
    assert (power["measured"], power["published"]) == ("100", "37.15")
    assert float(power["difference"]) == pytest.approx(62.85)
    (memory,) = (
        row
        for row in rows_of(tables["against-mistral7b"])
        if (row["method"], row["figure"]) == ("qlora", "Peak GPU memory (GB)")
    )
    assert (float(memory["measured"]), float(memory["difference"])) == pytest.approx((20.0, 11.84))


CONTRADICTED = {
    ("llama1b", "toplayer"): ["BERTScore"],
    ("llama3b", "lora"): ["Macro F1", "Peak GPU memory (GB)"],
    ("llama3b", "qlora"): ["Macro F1", "Peak power (W)"],
    ("mistral7b", "baseline"): ["BERTScore"],
    # Another test set makes every score another
    ("mistral7b", "qlora"): ["Macro F1", "BLEU", "BERTScore", "ROUGE-1", "ROUGE-2", "ROUGE-L"],
}


def test_what_contradicts_itself_is_said(tables):
    notes = {(row["model"], row["method"]): row["note"] for row in GIVEN if row["note"]}
    assert len(notes) == 5
    for (model, method), note in notes.items():
        said = {row["figure"]: row["note"] for row in rows_of(tables[f"against-{model}"]) if row["method"] == method}
        where = [figure for figure, own in said.items() if own]
        assert {said[figure] for figure in where} == {f"the study contradicts itself here: {note}"}
        assert where == CONTRADICTED[model, method]
    clean = {row["note"] for row in rows_of(tables["against-llama1b"]) if row["method"] == "qlora"}
    assert clean == {""}


def test_what_was_not_measured_has_no_difference(write_cell, tables_of, runs):
    write_cell("lora", model="llama1b")
    (row,) = (
        row
        for row in rows_of(tables_of(runs, Request(against="study"))["against-llama1b"])
        if row["figure"] == "BERTScore"
    )
    assert (row["measured"], row["measured_missing"]) == ("", "the metric's encoder model is not available")
    assert (row["published"], row["difference"], row["difference_missing"]) == ("0.8979", "", "nothing measured")


def test_other_models_and_other_requests_have_no_such_table(write_cell, tables_of, runs):
    write_cell("lora", model="tiny")
    write_cell("lora", model="llama1b")
    assert [name for name in tables_of(runs, Request(against="study")) if name.startswith("against")] == [
        "against-llama1b"
    ]
    assert [name for name in tables_of(runs) if name.startswith("against")] == []
