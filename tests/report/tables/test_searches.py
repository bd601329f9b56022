import pytest

from bench.report.read.study import read_studies
from bench.report.tables.header import facts


def texts(table):
    return [[cell.text for cell in row.cells] for row in table.shown_rows]


def remarks(table):
    return [note.text for note in table.notes if note.kind == "remark"]


def final(write_cell, *methods):
    for method in methods:
        write_cell(method, tuning={"search": {"learning_rate": "log(1e-05, 0.01)"}})


def test_what_each_search_tried_cost_and_found(write_cell, write_search, tables_of, runs):
    write_search("lora", [0.5, None, 0.75])
    write_search("toplayer", [None])
    final(write_cell, "lora", "toplayer")
    table = tables_of(runs)["searches"]
    assert [column.heading for column in table.shown_columns] == [
        "Method", "Search space", "Trials", "Failed", "Time (min)", "Energy (kJ)", "Chosen", "Tune score",
    ]  # fmt: skip
    space = "learning_rate: log(1e-05, 0.01)"
    assert texts(table) == [
        ["lora", space, "3", "1", "2.1", "—", "learning_rate=0.0003", "0.7500"],
        ["toplayer", space, "1", "1", "0.7", "—", "—", "—"],
    ]
    assert table.footnotes == ("no NVML device on this machine", "no trial has a score")
    assert remarks(table) == [
        "Trials are compared by Token F1 on the tune split.",
        "The tune score is of the chosen trial. As the best of several, it is too optimistic; test scores are not.",
        "Failed: trials without a score, which count as trials. Time: of all trials together, failed ones included. "
        "Energy: of the GPU boards in all trials together.",
    ]


def test_a_search_that_has_not_ended_or_lost_records(write_cell, write_search, tables_of, runs):
    write_search("lora", [0.5, 0.6], n_trials=12)
    final(write_cell, "lora")
    assert "tiny, lora: 2 trials of 12 can be read, and the numbers are of these." in remarks(
        tables_of(runs)["searches"]
    )


def test_budgets_that_differ_are_warned_of(write_cell, write_search, tables_of, runs):
    write_search("full", [0.5, 0.6])
    write_search("lora", [0.5])
    write_search("toplayer", [0.4])
    final(write_cell, "full", "lora", "toplayer")
    said = "tiny: budgets differ: full 2 trials; lora and toplayer 1 trials."
    assert tables_of(runs)["searches"].warnings == (said,)


def test_the_expected_best_by_number_of_trials(write_cell, write_search, tables_of, runs):
    write_search("lora", [None, *(at / 100 for at in range(40, 51))])
    write_search("toplayer", [0.3, 0.6])
    final(write_cell, "lora", "toplayer")
    table = tables_of(runs)["expected-best"]
    assert [column.heading for column in table.shown_columns] == [
        "Method", "1 trial", "2 trials", "4 trials", "8 trials", "12 trials",
    ]  # fmt: skip
    # Of one trial: (0 + .40 + ... + .50) / 12. Of two of toplayer's, the better one
    assert [cell.value for cell in table.rows[1].cells[3:5]] == pytest.approx([0.45, 0.6])
    assert [round(row.cells[3].value, 6) for row in table.rows] == [0.4125, 0.45]
    assert table.rows[0].cells[14].interval == (0.46, 1.0)
    assert {cell.note for cell in table.rows[1].cells[5:]} == {"the search has fewer trials"}
    assert remarks(table)[0] == "tiny: toplayer has the best expected score at every number of trials up to 2."
    assert remarks(table)[1] == (
        "Each number is the mean of the best score over all subsets of that many trials. Methods are thus compared at "
        "equal budgets, but not tested. Brackets contain the best of as many new trials with a probability of at least "
        "95 %; where there are too few trials to say, they reach to the bound of the score. Every trial was trained "
        "once."
    )
    assert remarks(table)[2] == "A trial that failed spent its part of the budget and found nothing: it counts as 0."


def test_a_search_without_any_score_has_no_expected_best(write_cell, write_search, tables_of, runs):
    write_search("lora", [None])
    final(write_cell, "lora")
    assert "searches" in tables_of(runs)
    assert "expected-best" not in tables_of(runs)


def test_a_study_without_a_search_has_no_such_table(write_cell, tables_of, runs):
    write_cell("lora")
    assert not {"searches", "expected-best"} & set(tables_of(runs))


def test_a_header_says_whether_learning_rates_were_tuned(write_cell, write_search, runs):
    write_search("lora", [0.5])
    final(write_cell, "lora")
    write_cell("toplayer")
    own, search = read_studies(runs)
    assert facts(own)["Learning rates"] == "lora tuned by t1 (12 trials); toplayer as configured, not tuned"
    assert facts(search)["Learning rates"] == "drawn for each trial of a search"


def test_settings_tables_name_search_spaces(write_cell, tables_of, runs):
    write_cell("lora", tuning={}, method_settings={"learning_rate": 0.0003, "rank": 16})
    write_cell("toplayer", tuning={"overridden": ("learning_rate",)}, method_settings={"learning_rate": 0.002})
    rows = {row.cells[1].value: row.cells[1].note for row in tables_of(runs)["settings"].rows}
    assert rows == {
        "0.0003": "chosen by t1 from log(1e-05, 0.01)",
        "0.002": "set by hand, where t1 searched log(1e-05, 0.01)",
        "16": "chosen by t1 from [4, 8, 16]",
    }
