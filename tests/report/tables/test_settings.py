from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies
from bench.report.render.formats import csv_table, html_table
from bench.report.tables.settings import settings_table


def rows_of(runs):
    table = settings_table(comparisons_of(read_studies(runs)[0].cells))
    return [tuple(cell.value for cell in row.cells) for row in table.rows if not row.only_csv]


def test_a_value_that_all_setups_share_is_there_once(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", method_settings={"rank": 8})
    assert rows_of(runs) == [
        ("method.rank", "8", "lora"),
        ("prompt.max_length", "512", "all"),
        ("train.epochs", "3", "all"),
        ("generation.batch", "16", "all"),
        ("generation.max_new_tokens", "32", "all"),
    ]


def test_settings_that_nobody_set_are_only_in_the_csv_file(write_cell, runs):
    write_cell("lora", method_settings={"bits": None})
    write_cell("qlora", method_settings={"bits": 4})
    table = settings_table(comparisons_of(read_studies(runs)[0].cells))
    assert ("method.bits", "null", "lora") in rows_of(runs)
    assert "dataset.train,null,all" in csv_table(table)
    assert "dataset.train" not in html_table(table)
    assert [note.text for note in table.notes] == ["Settings that are null for all are only in the CSV file."]


def test_each_value_of_a_swept_setting_names_its_setups(write_cell, runs):
    for model in ("a", "b"):
        for rank in (8, 16):
            settings = {"rank": rank, "alpha": 2, "note": ""}
            write_cell("lora", model=model, folder=f"{model}{rank}", method_settings=settings)
        write_cell("toplayer", model=model, method_settings={"alpha": 2})
    assert rows_of(runs)[:4] == [
        ("method.rank", "8", "lora (rank=8)"),
        ("method.rank", "16", "lora (rank=16)"),
        ("method.alpha", "2", "all"),
        ("method.note", '""', "lora"),
    ]


def test_setups_of_one_model_alone_are_named_with_it(write_cell, runs):
    for model, bits in (("a", 4), ("b", 8)):
        write_cell("qlora", model=model, method_settings={"bits": bits})
        write_cell("lora", model=model)
    assert rows_of(runs)[:2] == [("method.bits", "4", "a: qlora"), ("method.bits", "8", "b: qlora")]
