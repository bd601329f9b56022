import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from bench import console
from bench.cli import help, mistakes
from bench.cli.arguments import in_order
from bench.cli.compose import job_of
from bench.cli.points import composed, points

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]

CONF = Path(__file__).parents[2] / "conf"


def test_every_group_and_choice_is_listed() -> None:
    # Long lists go on in the next line, under their beginning.
    lines = help.text().replace("\n" + 15 * " ", " ").splitlines()
    for group in sorted({file.parent for file in CONF.glob("*/*.yaml")}):
        choices = ", ".join(sorted(file.stem for file in group.glob("*.yaml")))
        assert f"  {group.name:12} {choices}" in lines


def test_every_setting_of_the_top_level_is_listed_with_its_value() -> None:
    lines = help.text().splitlines()
    settings = yaml.safe_load((CONF / "config.yaml").read_text())
    for name, value in settings.items():
        if name in ("defaults", "hydra"):
            assert not any(line.startswith(f"  {name}:") for line in lines)
        elif isinstance(value, dict) and value:
            assert f"  {name}:" in lines
            assert {f"    {key}: {yaml.safe_dump(item).split()[0]}" for key, item in value.items()} <= set(lines)
        else:
            assert any(line.startswith(f"  {name}:") for line in lines)


def examples(text: str) -> list[list[str]]:
    """The arguments of every example as Hydra gets them, without the command itself."""
    commands = text.partition("examples:")[2].partition("your model and your data:")[0].replace("\\\n", " ")
    return [in_order(shlex.split(line)[3:]) for line in commands.splitlines() if line.startswith("  python -m bench ")]


def test_three_examples_with_own_data_and_model_that_compose(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (_, demo), (_, *data), (_, *model), (flag, _, *grid) = examples(help.text())
    assert demo == "experiment=demo"
    cell = job_of(compose(*data)).cell
    assert (cell.dataset.name, cell.dataset.train) == ("faq", "faq.csv")
    assert job_of(compose(*model)).cell.model.path == "/home/me/models/qwen"
    assert flag == "-m"
    swept = compose(*grid, multirun=True)
    cells = points(swept)
    assert len(cells) == 12
    assert {job_of(config).cell.model.name for config in composed(swept, cells)} == {"qwen"}


def test_own_model_and_data_are_explained() -> None:
    explained = [
        line.split("  ")[1] for line in help.text().splitlines() if line.startswith(("  model.", "  dataset."))
    ]
    assert explained == [
        "model.path",
        "model.name, dataset.name",
        "dataset.train",
        "dataset.tune, dataset.test",
        "dataset.instruction_column",
        "dataset.input_column",
        "dataset.output_column",
        "dataset.cluster_column",
        "dataset.id_column",
    ]


def test_no_long_lines_and_nothing_left_to_fill_in() -> None:
    text = help.text()
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "{" not in text.replace("method_by_model: {}", "").replace("{llama3b: {lora: {rank: 32}}}", "")


def test_the_installed_command_calls_itself_by_its_own_name() -> None:
    text = help.text("tunebench")
    assert "  tunebench experiment=demo\n  tunebench report --study demo\n" in text
    assert "python -m" not in text


def test_the_command_prints_it_without_loading_anything_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CONF.parent)
    assert done.stdout == help.text()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "bench" in imported
    heavy = {"torch", "transformers", "peft", "trl", "datasets", "evaluate", "numpy", "pandas", "pydantic"}
    assert imported & heavy == set()


def test_the_text_itself_needs_no_hydra() -> None:
    program = "import sys; from bench.cli import help; help.text(); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CONF.parent)
    assert {"hydra", "omegaconf", "yaml", "pydantic"} & set(done.stdout.split()) == set()


def test_misspelt_commands_are_compared_with_all_that_there_are() -> None:
    words = re.findall(r'case \["(\w+)"', Path(console.__file__).read_text())
    assert sorted(set(words)) == sorted(mistakes.COMMANDS)
