"""What the README, docs/ and ARCHITECTURE.md say is true: links, commands and the tree."""

import csv
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench.__main__
from bench import decide, tune
from bench.cli import deciding
from bench.cli.arguments import in_order
from bench.cli.compose import job_of
from bench.cli.points import composed as composed_cells
from bench.cli.search import searches
from bench.data.request import composed
from bench.report.__main__ import main as report

if TYPE_CHECKING:
    from omegaconf import DictConfig

REPOSITORY = Path(__file__).parents[1]
USER_PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PAGES = [REPOSITORY / "ARCHITECTURE.md", *USER_PAGES]


def commands() -> list[list[str]]:
    """The arguments of every `tunebench` line of the pages. Two spaces begin a remark."""
    text = "\n".join(re.sub(r"\\\n +", "", page.read_text()) for page in USER_PAGES)
    lines = re.findall(r"^    tunebench\b(.*)", text, flags=re.MULTILINE)
    return [shlex.split(line.strip().split("  ")[0]) if line[:2] != "  " else [] for line in lines]


REPORT = [arguments[1:] for arguments in commands() if arguments[:1] == ["report"]]
DECIDE = [arguments[1:] for arguments in commands() if arguments[:1] == ["decide"]]
TUNE = [arguments[1:] for arguments in commands() if arguments[:1] == ["tune"]]
DATA = [arguments[1:] for arguments in commands() if arguments[:1] == ["data"]]
# Those with choices of the user's own are followed in tests/test_own_code.py.
GRID = [
    arguments
    for arguments in commands()
    if arguments[:1] not in (["report"], ["data"], ["decide"], ["tune"], ["demo"])
    and not any(given.startswith("hydra.searchpath") for given in arguments)
]


def test_every_module_is_in_the_tree_and_nothing_else() -> None:
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    tree = text[text.index("## The tree") : text.index("## Rules")]
    modules = [path for path in (REPOSITORY / "bench").rglob("*.py") if path.name != "__init__.py"]
    named = set(re.findall(r"[\w.]+", tree))
    # Methods, data sets, metrics and trackers are named as they are chosen, such as `lora`.
    chosen = {path.stem for path in modules if path.parent.name in ("method", "dataset", "metric", "tracker")}
    missing = [path for path in modules if path.name not in named and path.stem not in named & chosen]
    assert [str(path.relative_to(REPOSITORY)) for path in missing] == []
    names = {path.name for path in (*modules, *(REPOSITORY / "benchmarks").glob("*.py"))}
    assert [name for name in re.findall(r"\w+\.py\b", tree) if name not in names] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("arguments", GRID, ids=" ".join)
def test_commands_have_settings_that_exist(arguments: list[str], compose: "Callable[..., DictConfig]") -> None:
    typed = in_order(arguments)
    overrides = typed[typed.index("--") + 1 :]
    # Of a sweep's values the first: the others differ in nothing that is checked here.
    job_of(compose(*(_first_value(override) for override in overrides if not override.startswith("tuned="))))


@pytest.mark.parametrize("arguments", TUNE, ids=" ".join)
def test_tune_commands_have_trials(
    arguments: list[str], compose: "Callable[..., DictConfig]", monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = in_order(_translated(tune.main, arguments, monkeypatch))
    config = compose(*typed[typed.index("--") + 1 :], multirun=True)
    # Of each method the first: the others differ in drawn values only.
    first = [list(search.points[0]) for search in searches(config)]
    assert first
    assert all(map(job_of, composed_cells(config, first)))


def _translated(
    command: "Callable[[list[str]], int]", arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What the main command gets of a command with a sweeper of tunebench's."""
    monkeypatch.setattr(bench.__main__, "main", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["tunebench"])
    assert command(arguments) == 0
    return sys.argv[1:]


def _first_value(override: str) -> str:
    return override if "[" in override else override.split(",")[0]


@pytest.mark.parametrize("arguments", DECIDE, ids=" ".join)
def test_commands_that_decide_have_settings_that_exist(
    arguments: list[str], compose: "Callable[..., DictConfig]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train.json", "dev.json"):
        Path(name).write_text("{}")
    # What was tuned is not here.
    rest = [argument for argument in arguments if not argument.startswith("tuned=")]
    _, *typed = _translated(decide.main, rest, monkeypatch)
    config = compose(*typed, f"runs={tmp_path}", multirun=True)
    cells = list(deciding.points(config))
    # Of each setup the last seed: the others differ in nothing that is checked here.
    setups = {tuple(typed for typed in cell if not typed.startswith("seed=")): cell for cell in cells}
    assert len({job_of(cell).study for cell in composed_cells(config, list(setups.values()))}) == 1


@pytest.mark.parametrize("arguments", DATA, ids=" ".join)
def test_data_commands_have_settings_that_exist(arguments: list[str]) -> None:
    job_of(composed(arguments))


@pytest.mark.parametrize("arguments", REPORT, ids=" ".join)
def test_report_commands_have_options_that_exist(arguments: list[str], tmp_path: Path) -> None:
    assert report([*arguments, "--runs", str(tmp_path)]) == 1


ANSWERS = {
    "How long is the warranty of the {}": "Two years.",
    "Can I return a {} that I have unpacked": "Yes, within 14 days.",
    "Do you ship the {} to Iceland": "Yes, it takes five to eight days.",
    "How do I clean the {}": "With a soft cloth and no soap.",
}
ITEMS = ("kettle", "lamp", "desk", "chair", "router", "camera", "printer", "monitor", "tent", "bicycle", "scale", "fan")


def test_the_page_on_data_shows_what_the_command_prints(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "your-data.md").read_text()
    sample = re.search(r"\n    \$ tunebench data (.*?)\n\n(.*?)\n\n[^ ]", page, flags=re.DOTALL)
    assert sample
    rows = [(f"{question.format(item)}?", answer) for item in ITEMS for question, answer in ANSWERS.items()]
    with (tmp_path / "faq.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("question", "answer"), *rows, ("What does the fan weigh?", "")])
    done = subprocess.run(
        [sys.executable, "-m", "bench.data", *shlex.split(sample[1].replace("\\\n", ""))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert sample[2].splitlines() == [f"    {line}".rstrip() for line in done.stdout.splitlines()]


def test_the_sentences_that_the_page_on_data_explains_are_those_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "your-data.md").read_text()
    table = page[page.index("## Common errors") :].partition("\n## ")[0]
    sentences = re.findall(r"^\| `(.*?)` \|", table, flags=re.MULTILINE)
    # A long sentence is written as several strings that follow each other.
    code = " ".join(path.read_text() for path in (REPOSITORY / "bench").rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", code)
    pieces = [piece.strip() for sentence in sentences for piece in sentence.split("...")]
    assert [piece for piece in pieces if piece not in code] == []
    assert len(sentences) >= 12
