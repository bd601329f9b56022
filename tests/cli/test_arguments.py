"""Flags in any position, flags that are refused, and groups that were given no name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import OverrideParseException

from bench.cli.arguments import in_order
from bench.configuration import choices
from bench.errors import InputError

METHODS = f"choose one of {', '.join(choices('method'))}"
MODELS = f"choose one of {', '.join(choices('model'))}"
HELP = "see `tunebench --help` and `--hydra-help`"


@pytest.mark.parametrize(
    ("typed", "ordered"),
    [
        ([], ["--"]),
        (["method=lora", "-m", "seed=0,1"], ["-m", "--", "method=lora", "seed=0,1"]),
        (["method=lora", "seed=0,1", "--multirun"], ["--multirun", "--", "method=lora", "seed=0,1"]),
        (["seed=1", "--cfg", "job", "~prompt"], ["--cfg", "job", "--", "seed=1", "~prompt"]),
        (["--", "seed=1"], ["--", "seed=1"]),
        (["seed=1", "--allow-mixed"], ["--", "seed=1", "allow_mixed=true"]),
        (["--info", "defaults", "seed=1"], ["--info", "defaults", "--", "seed=1"]),
    ],
)
def test_flags_go_first(typed: list[str], ordered: list[str]) -> None:
    assert in_order(typed) == ordered


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        ("method.search.rank=[4,8]", "method.search.rank=[4,8]"),
        ("method.search.learning_rate=log(1e-5, 1e-2)", 'method.search.learning_rate="log(1e-5, 1e-2)"'),
        ("method.search={a:log(1,2),b:int(1,2)}", 'method.search={a:"log(1,2)",b:"int(1,2)"}'),
        ('method.search.a="log(1,2)"', 'method.search.a="log(1,2)"'),
        ("method.search.a='log(1,2)'", "method.search.a='log(1,2)'"),
        ("seed=int(3)", "seed=int(3)"),
    ],
)
def test_ranges_of_a_search_need_no_quotation_marks(typed: str, quoted: str) -> None:
    assert in_order([typed]) == ["--", quoted]


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        ("dataset.train=Größe.csv", 'dataset.train="Größe.csv"'),
        ("dataset.train=faq (1).csv", 'dataset.train="faq (1).csv"'),
        ("dataset.train=a&b=c.csv", 'dataset.train="a&b=c.csv"'),
        ("dataset.output_column=答案", 'dataset.output_column="答案"'),
        ("dataset.train=Größe.csv,b.csv,3", 'dataset.train="Größe.csv",b.csv,3'),
        ("a=[gut, sehr gut!, ä]", 'a=[gut, "sehr gut!", "ä"]'),
        ("a={b: ä, c: 1}", 'a={b: "ä", c: 1}'),
        # Hydra reads these as they are
        ("a='ä'", "a='ä'"),
        ("dataset.train=my faq.csv", "dataset.train=my faq.csv"),
        ("seed=0", "seed=0"),
    ],
)
def test_texts_that_hydra_cannot_read_need_no_quotation_marks(typed: str, quoted: str) -> None:
    assert in_order(["-m", typed]) == ["-m", "--", quoted]


@pytest.mark.parametrize("name", ["it's.csv", "a,b.csv", 'the "best".csv', "[1].csv", "Größe, neu.csv"])
def test_an_existing_file_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose: Callable[..., Any], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    _, typed = in_order([f"dataset.train={name}"])
    assert compose("dataset=records", typed).dataset.train == name


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("method=null", f"method: null is not a valid choice; {METHODS}"),
        ("prompt=null", f"prompt: null is not a valid choice; choose one of {', '.join(choices('prompt'))}"),
        ("train=null", "train: null is not a valid choice; choose one of default"),
        (
            "dataset=null",
            f"dataset: null is not a valid choice; choose one of {', '.join(choices('dataset'))}",
        ),
        ("model=null", f"model: null is not a valid choice; {MODELS}"),
        ("tracker=null", "tracker: null is not a valid choice; choose one of none, tensorboard, wandb"),
        ("++model=3", f"model: 3 is not a valid choice; {MODELS}"),
        ("method=lora,null", f"method: null is not a valid choice; {METHODS}"),
        # Merged, they would be a cell of neither.
        ("method=[lora,qlora]", f"method: [lora,qlora] is not a valid choice; {METHODS}"),
        ("tracker=[wandb,1]", "tracker: [wandb,1] is not a valid choice; choose one of none, tensorboard, wandb"),
    ],
)
def test_a_value_that_is_not_a_name(typed: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        in_order(["-m", typed])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "typed",
    ["method='lora'", "tracker=[wandb,tensorboard]", "method=glob(*)", "~metric", "dataset={seed: 3}", "seed=3"],
)
def test_what_hydra_accepts_is_left_to_it(typed: str) -> None:
    assert in_order(["-m", typed]) == ["-m", "--", typed]


def test_settings_of_a_sweep_have_one_value() -> None:
    for typed, named in (("hydra.sweeper.looks=3,5", "decide.looks=3,5"), ("hydra.verbose=a,b", "hydra.verbose=a,b")):
        with pytest.raises(InputError) as caught:
            in_order(["-m", "hydra/sweeper=decide", typed])
        assert str(caught.value) == f"{named}: must be one value for all cells; write a list in brackets, as in [3,5]"


def test_a_folder_of_own_choices_that_is_not_there() -> None:
    with pytest.raises(InputError) as caught:
        in_order(["hydra.searchpath=[file://./tests,file://nowhere]"])
    assert str(caught.value) == (
        "hydra.searchpath: there is no folder nowhere; name one as in hydra.searchpath=[file://./conf]"
    )


def test_a_launcher_needs_the_flag_that_sweeps() -> None:
    with pytest.raises(InputError) as caught:
        in_order(["hydra/launcher=slurm", "seed=0"])
    assert str(caught.value) == (
        "hydra/launcher=slurm: needs -m; without it, Hydra starts the cell here, whatever the launcher"
    )
    for flags in (["-m"], ["--cfg", "hydra"]):
        assert in_order(["hydra/launcher=slurm", *flags]) == [*flags, "--", "hydra/launcher=slurm"]


def test_several_values_need_the_flag_that_sweeps_them() -> None:
    with pytest.raises(InputError) as caught:
        in_order(["method=lora", "seed=0,1", "train.epochs=range(1,3)"])
    assert str(caught.value).splitlines() == [
        f"{typed}: several values need -m, which runs a cell for each; write a list in brackets, as in [0,1]"
        for typed in ("seed=0,1", "train.epochs=range(1,3)")
    ]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["seed=1", "--nope"], f"--nope: there is no such flag; {HELP}"),
        (
            ["seed=1", "--experimental-rerun", "/tmp/config.pickle"],
            "--experimental-rerun: refused, because it unpickles its file, which can run any code; "
            "type the settings instead",
        ),
        (["--cfg"], f"argument --cfg/-c: expected one argument; {HELP}"),
    ],
)
def test_flags_that_do_not_exist_or_are_refused(typed: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        in_order(typed)
    assert str(caught.value) == message


def test_the_home_folder_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert in_order(["-m", "model.path=~/a,~/b", "~metric"]) == [
        "-m",
        "--",
        "model.path=/home/me/a,/home/me/b",
        "~metric",
    ]


def test_a_broken_quote() -> None:
    with pytest.raises(OverrideParseException):
        in_order(["study='x"])
