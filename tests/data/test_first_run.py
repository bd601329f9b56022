from collections.abc import Callable
from dataclasses import replace

from bench.data.first_run import first_run, look_again, suggested_limits
from bench.data.inspection import Inspection
from bench.data.lengths import Distribution

Make = Callable[..., Inspection]


def test_what_was_typed_counts_more_than_what_is_proposed(inspection: Make) -> None:
    typed = ["dataset.train=my faq.csv", "dataset=records", "seed=7"]
    assert first_run(inspection(cell={"dataset.name": "faq"}), typed) == [
        [
            "tunebench",
            "-m",
            "method=baseline,lora",
            "seed=7",
            "study=faq",
            "dataset=records",
            "'dataset.train=my faq.csv'",
        ],
        ["tunebench", "report", "--study", "faq"],
    ]


def test_limits_that_are_too_low_are_raised_to_what_99_percent_need(inspection: Make) -> None:
    long = {"answer": Distribution(1, 2, 3, 61, 80), "prompt": Distribution(10, 20, 30, 470, 500)}
    needs = inspection(asked=long)
    assert suggested_limits(needs) == {"generation.max_new_tokens": 64, "prompt.max_length": 544}
    grid, _ = first_run(needs, ["generation.max_new_tokens=16"])
    assert grid == [
        "tunebench",
        "-m",
        "method=baseline,lora",
        "seed=0,1,2",
        "study=events",
        "generation.max_new_tokens=64",
        "prompt.max_length=544",
    ]
    assert suggested_limits(inspection(asked=long, reading={"context_length": 543})) == {}
    assert suggested_limits(inspection()) == {}
    assert suggested_limits(replace(needs, reading=None)) == {}


def test_the_name_of_a_data_set_is_made_of_its_file() -> None:
    likely = ["dataset=records", "dataset.output_column=answer"]
    typed = ["dataset=events", "dataset.train=data/my faq.v2.csv.gz"]
    assert look_again(likely, "data/my faq.v2.csv.gz", typed) == [
        "tunebench",
        "data",
        "dataset=records",
        "dataset.name=my_faq",
        "'dataset.train=data/my faq.v2.csv.gz'",
        "dataset.output_column=answer",
    ]
    talks = ["dataset=messages", "prompt=chat"]
    assert look_again(talks, "a.jsonl", ["dataset.train=a.jsonl"])[-1] == "prompt.chat_template=simple"
    assert look_again(talks, "a.jsonl", ["dataset.train=a.jsonl", "model.path=me/chat"])[-1] == "model.path=me/chat"
    assert "dataset.name=mine" in look_again(likely, "数据.csv", [])
    assert "dataset.name=own" in look_again(likely, "faq.csv", ["dataset.name=own"])
