"""The command in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

QUESTIONS = [f"Who leads unit {number}?" for number in range(40)]


@pytest.fixture
def data(tmp_path: Path) -> Run:
    """Runs `python -m bench.data` in an empty folder."""

    def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
        started = ["-c", code] if code else ["-m", "bench.data"]
        return subprocess.run(
            [sys.executable, *started, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    return run


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    """A table of forty questions."""
    path = tmp_path / "faq.csv"
    rows = [f"{question},Officer {number % 7},{number // 2}" for number, question in enumerate(QUESTIONS)]
    path.write_text("\n".join(["Question,Answer,page", *rows]) + "\n")
    return path


EMBEDDED = """\
events  comes with tunebench

Splits  the source's own splits
             examples   documents   largest document
  training         60          30                3 %
  tune             40          20                5 %
  test            220         110              0.9 %

Lengths  in tokens of tiny
                      min   median   95 %   99 %   max
  training   prompt    38       66     90     92    92
             answer     1        2      4      4     4
             both      41       67     91     95    95
  tune       prompt    46       63     86     87    87
             answer     1        2      4      4     4
             both      48       66     88     89    89
  test       prompt    40       63     88     93    98
             answer     1        2      4      4    10
             both      42       65     90     95   100

  prompt.max_length=512, 60 training examples: all fit
  prompt.max_length=512, 40 tune examples: all fit
  prompt.max_length=512, 220 test examples: all fit
  generation.max_new_tokens=32, 220 test answers: all fit

Prompts  as tiny reads them; ⟦what it learns to say⟧; ┊ goes on with a line
  training events-0-train-00000-0: 95 tokens, 5 of them trained
  │ <s>Question: Where did an accident cause the loss of the fuel tank?
  │ Context: Officials of the Lumerian Air Force are to meet in Falstad on 11 April. A storm
  ┊ surprised a Jorvian frigate at the port of Falford on 10 June and caused the loss of the fuel
  ┊ tank. Crowds gathered in Helby when Tolwick Dynamics unveiled a light rocket on 3 July.
  │ Answer:⟦ port of Falford</s>⟧

  training events-0-train-00000-1: 92 tokens, 3 of them trained
  │ <s>Question: When was the accident at the port of Falford?
  │ Context: Officials of the Lumerian Air Force are to meet in Falstad on 11 April. A storm
  ┊ surprised a Jorvian frigate at the port of Falford on 10 June and caused the loss of the fuel
  ┊ tank. Crowds gathered in Helby when Tolwick Dynamics unveiled a light rocket on 3 July.
  │ Answer:⟦ 10 June</s>⟧

  test events-0-test-00000-0: 75 tokens given, and 2 of the reference expected
  │ <s>Question: Whom did Zamoria help?
  │ Context: The Ulmerian Border Guard will publish its yearly review in February 2023. On 14
  ┊ December, Zamoria delivered 290 water pumps to Jorvia. The Eld-9 jammer passed its first trial
  ┊ on Tuesday. The Selvian Army ran the test off Cape Solford.
  │ Answer:⟦ Jorvia</s>⟧

Warnings
  1. Training on 60 sequences takes 12 steps of 16, which changes a model little. Add data, or raise
     train.epochs or lower train.effective_batch.

A first run  with the embedded model; for yours, add model=local model.path=FOLDER
  tunebench -m method=baseline,lora seed=0,1,2 study=events dataset.train_documents=30 \\
      dataset.tune_documents=20 dataset.test_documents=110 dataset.questions_per_document=2
  tunebench report --study events
"""


def test_the_embedded_data_is_shown_without_torch(data: Run) -> None:
    code = """
import sys
from bench.data.__main__ import main
status = main(sys.argv[1:])
loaded = {name for name, module in sys.modules.items() if module is not None}
print(*sorted({"torch", "transformers", "datasets", "peft", "trl", "accelerate"} & loaded), file=sys.stderr)
sys.exit(status)
"""
    sizes = {"train_documents": 30, "tune_documents": 20, "test_documents": 110, "questions_per_document": 2}
    few = [f"dataset.{key}={value}" for key, value in sizes.items()]
    done = data(*few, code=code)
    assert (done.returncode, done.stderr) == (0, "transformers\n")
    assert done.stdout == EMBEDDED


def test_a_table_is_shown_from_its_columns_to_the_first_run(data: Run, faq: Path) -> None:
    done = data(
        "dataset=records",
        "dataset.name=faq",
        "dataset.train=faq.csv",
        "dataset.instruction_column=Question",
        "dataset.input_column=null",
        "dataset.output_column=Answer",
        "dataset.cluster_column=page",
    )
    assert (done.returncode, done.stderr) == (0, "")
    sections = [block.splitlines() for block in done.stdout.split("\n\n")]
    assert sections[0] == ["faq  faq.csv"]
    assert sections[1] == [
        "Columns of faq.csv  train, 40 rows",
        "  column     holds   empty   used as       example",
        "  Question   text      0 %   instruction   Who leads unit 0?",
        "  Answer     text      0 %   output        Officer 0",
        "  page       text      0 %   cluster       0",
    ]
    assert sections[2] == [
        "Splits  held out of training by document: 10 % for tune, 10 % for test (dataset.split_seed=0)",
        "             examples   documents   largest document",
        "  training         36          18                6 %",
        "  tune              2           1              100 %",
        "  test              2           1              100 %",
    ]
    assert sections[-1] == [
        "A first run  with the embedded model; for yours, add model=local model.path=FOLDER",
        "  tunebench -m method=baseline,lora seed=0,1,2 study=faq dataset=records dataset.name=faq \\",
        "      dataset.train=faq.csv dataset.instruction_column=Question dataset.input_column=null \\",
        "      dataset.output_column=Answer dataset.cluster_column=page",
        "  tunebench report --study faq",
    ]


def test_columns_are_shown_where_the_settings_do_not_fit_them(data: Run, faq: Path) -> None:
    done = data("dataset=records", "dataset.train=faq.csv")
    assert done.returncode == 2
    assert done.stderr == (
        "\nfaq.csv:2: no column 'instruction'; name one of the columns 'Question', 'Answer', 'page' with "
        "dataset.instruction_column\n"
    )
    assert (
        done.stdout
        == """
Columns of faq.csv  train, 40 rows
  column     holds   empty   used as   example
  Question   text      0 %             Who leads unit 0?
  Answer     text      0 %             Officer 0
  page       text      0 %             0

Likely settings  by the names of the columns
  tunebench data dataset=records dataset.name=faq dataset.train=faq.csv \\
      dataset.instruction_column=Question dataset.input_column=null dataset.output_column=Answer \\
      dataset.cluster_column=page
"""
    )


def test_settings_that_fit_are_not_proposed_again(data: Run, faq: Path) -> None:
    done = data(
        "dataset=records",
        "dataset.train=faq.csv",
        "dataset.test_fraction=2",
        "dataset.instruction_column=Question",
        "dataset.input_column=null",
        "dataset.output_column=Answer",
        "dataset.cluster_column=page",
    )
    assert done.returncode == 2
    assert done.stderr == "\ndataset.test_fraction: must be less than 1.0, got 2 (conf/dataset/records.yaml)\n"
    assert "Columns of faq.csv" in done.stdout
    assert "Likely settings" not in done.stdout


def test_a_broken_table_is_shown_up_to_the_fault(data: Run, tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("question,answer\nWhy?,So.\nWho?\n")
    done = data("dataset=records", "dataset.train=short.csv")
    assert done.stderr == (
        "\nshort.csv:2: no column 'instruction'; name one of the columns 'question', 'answer' with "
        "dataset.instruction_column\nshort.csv:3: broken CSV: 1 fields where the header has 2\n"
    )
    assert done.stdout.startswith("\nColumns of short.csv  train, 1 row before a fault\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["faq.csv"], "faq.csv: must be KEY=VALUE; for a data file, type dataset.train=faq.csv"),
        (["-m", "seed=0,1"], "-m: this command takes no flags but --help; it shows one data set at a time"),
        (
            ["seed=0,1"],
            "seed=0,1: this command shows one data set at a time; give one value, or write a list in brackets, as in "
            "[0,1]",
        ),
        (["dataset=nosuch"], "dataset: there is no 'nosuch'; choose one of"),
        (
            ["dataset=records", "dataset.train=none.csv"],
            "none.csv: cannot be read (No such file or directory); name an existing file",
        ),
        (["prompt.max_length=0"], "prompt.max_length: must be at least 1, got 0 (conf/prompt/squad.yaml)"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(data: Run, faq: Path, arguments: list[str], sentence: str) -> None:
    done = data(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_data_that_training_would_refuse_is_shown_all_the_same(data: Run, faq: Path) -> None:
    done = data(
        "dataset=records",
        "dataset.train=faq.csv",
        "dataset.test=faq.csv",
        "dataset.instruction_column=Question",
        "dataset.input_column=null",
        "dataset.output_column=Answer",
        "prompt=chat",
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "",
        "test shares 37 of its 40 documents with training ('1bd6e12ee48b6e47', '44a722540bfb68ad', "
        "'725201f6b605b388', ...); remove them from one of the two and name the files with dataset.train=PATH "
        "dataset.test=PATH; for tables, dataset.quality.overlap=drop leaves them out",
        f"the tokenizer of {REPOSITORY}/bench/tiny has no chat template; choose a simple one with "
        "prompt.chat_template=simple, or another prompt: prompt=alpaca",
    ]
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "records  faq.csv and faq.csv",
        "Columns of faq.csv  train, 40 rows",
        "Columns of faq.csv  test, 40 rows",
        "Splits  held out of training by document: 10 % for tune (dataset.split_seed=0)",
        "Warnings",
    ]


def test_help(data: Run) -> None:
    done = data("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: python -m bench.data [GROUP=CHOICE ...] [KEY=VALUE ...]\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_what_is_left_out_is_shown_with_the_first_ones_of_it(data: Run, faq: Path) -> None:
    done = data(
        "dataset=records",
        "dataset.name=faq",
        "dataset.train=faq.csv",
        "dataset.instruction_column=Question",
        "dataset.input_column=null",
        "dataset.output_column=Answer",
        "dataset.quality.drop_answers=[officer 3,oficer 4]",
        "dataset.quality.near_duplicates=1",
    )
    (section,) = [block for block in done.stdout.split("\n\n") if block.startswith("Left out")]
    assert section.splitlines() == [
        "Left out  before the examples become tokens; dataset.quality has the steps",
        "  6 examples of training: answer that matches 'officer 3'",
        "    faq.csv:5: Who leads unit 3? → Officer 3",
        "    faq.csv:12: Who leads unit 10? → Officer 3",
        "    faq.csv:19: Who leads unit 17? → Officer 3",
        "  nothing: answer that matches 'oficer 4', near duplicate",
    ]
