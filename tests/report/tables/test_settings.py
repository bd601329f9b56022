from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies
from bench.report.render.formats import csv_table, html_table
from bench.report.tables.settings import settings_tables

SHARED = [
    ("prompt.max_length", "512"),
    ("train.epochs", "3"),
    ("generation.batch", "16"),
    ("generation.max_new_tokens", "32"),
]


def tables_of(runs):
    return {table.name: table for table in settings_tables(comparisons_of(read_studies(runs)[0].cells))}


def rows_of(runs, name="settings"):
    table = tables_of(runs)[name]
    return [tuple(cell.value for cell in row.cells) for row in table.rows if not row.only_csv]


def test_what_differs_has_a_table_and_what_all_share_another(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", method_settings={"rank": 8})
    assert list(tables_of(runs)) == ["settings", "settings-shared"]
    assert rows_of(runs) == [("method.rank", "8", "lora")]
    assert rows_of(runs, "settings-shared") == SHARED


def test_where_nothing_differs_there_is_one_table(write_cell, runs):
    write_cell("lora", method_settings={"rank": 8})
    assert list(tables_of(runs)) == ["settings-shared"]
    assert rows_of(runs, "settings-shared") == [("method.rank", "8"), *SHARED]


def test_settings_that_nobody_set_are_only_in_the_csv_file(write_cell, runs):
    write_cell("lora", method_settings={"bits": None})
    write_cell("qlora", method_settings={"bits": 4})
    table = tables_of(runs)["settings-shared"]
    assert rows_of(runs) == [("method.bits", "null", "lora"), ("method.bits", "4", "qlora")]
    assert "dataset.train,null" in csv_table(table)
    assert "dataset.train" not in html_table(table)
    assert [note.text for note in table.notes] == ["Settings that are null for all are only in the CSV file."]


def test_each_value_of_a_swept_setting_names_its_setups(write_cell, runs):
    for model in ("a", "b"):
        for rank in (8, 16):
            settings = {"rank": rank, "alpha": 2, "note": ""}
            write_cell("lora", model=model, folder=f"{model}{rank}", method_settings=settings)
        write_cell("toplayer", model=model, method_settings={"alpha": 2})
    assert rows_of(runs) == [
        ("method.rank", "8", "lora (rank=8)"),
        ("method.rank", "16", "lora (rank=16)"),
        ("method.note", '""', "lora"),
    ]
    assert rows_of(runs, "settings-shared") == [("method.alpha", "2"), *SHARED]


def test_settings_inside_settings_have_rows_of_their_own(write_cell, runs):
    write_cell("ia3", method_settings={"type": "IA3", "config": {}})
    write_cell(
        "lora", method_settings={"type": "LORA", "config": {"r": 8, "targets": ["q", "v"], "loftq": {"bits": 4}}}
    )
    assert rows_of(runs) == [
        ("method.type", "IA3", "ia3"),
        ("method.type", "LORA", "lora"),
        ("method.config.r", "8", "lora"),
        ("method.config.targets", '["q", "v"]', "lora"),
        ("method.config.loftq.bits", "4", "lora"),
    ]


def test_what_most_setups_have_names_the_others(write_cell, runs):
    for at in range(8):
        rate = {} if at == 0 else {"rate": 0.1 if at < 7 else 0.2}
        write_cell(f"m{at}", method_settings=rate)
    assert rows_of(runs) == [
        ("method.rate", "0.1", "all but m0 and m7"),
        ("method.rate", "0.2", "m7"),
    ]


def test_setups_of_one_model_alone_are_named_with_it(write_cell, runs):
    for model, bits in (("a", 4), ("b", 8)):
        write_cell("qlora", model=model, method_settings={"bits": bits})
        write_cell("lora", model=model)
    assert rows_of(runs)[:2] == [("method.bits", "4", "a: qlora"), ("method.bits", "8", "b: qlora")]
