from bench.record_sections import LeftOut, SplitCounts
from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies

TRAIN = SplitCounts(n_read=946, n_dropped=471, n_truncated=12)
TEST = SplitCounts(n_read=61, n_dropped=1, n_truncated=0)


def left_out(runs):
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    return comparison.left_out


def test_data_that_was_all_used_needs_no_sentence(write_cell, runs):
    write_cell("lora")
    assert left_out(runs) == []


def test_dropped_shortened_and_too_long_are_counted(write_cell, runs):
    for method in ("baseline", "lora"):
        write_cell(method, data={"train": TRAIN, "test": TEST, "n_references_too_long": 7})
    assert left_out(runs) == [
        "tiny: 471 of 946 training examples were dropped, because they are too long; the contexts of 12 of 946 "
        "training examples were shortened; 1 of 61 test examples were dropped, because they are too long; 7 of "
        "60 references are longer than an answer can be (generation.max_new_tokens=32)."
    ]


def test_what_each_step_left_out_is_counted(write_cell, runs):
    steps = [("answer too long", "train", 1152), ("duplicate", "train", 1), ("duplicate", "test", 7)]
    counted = tuple(LeftOut(step=step, split=split, n_dropped=n_dropped) for step, split, n_dropped in steps)
    for method in ("baseline", "lora"):
        write_cell(method, data={"left_out": counted})
    assert left_out(runs) == [
        "tiny: examples left out of training: 1152 (answer too long), 1 (duplicate); examples left out of test: "
        "7 (duplicate)."
    ]


def test_setups_whose_data_differ_are_named(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", data={"train": TRAIN})
    assert left_out(runs) == [
        "tiny, lora: 471 of 946 training examples were dropped, because they are too long; the contexts of 12 of 946 "
        "training examples were shortened."
    ]


def test_older_records_do_not_count_references(write_cell, runs):
    write_cell("lora", data={"n_references_too_long": None}, missing={"data.n_references_too_long": "not_in_record"})
    assert left_out(runs) == []
