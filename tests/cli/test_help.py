import subprocess
import sys
from pathlib import Path

import yaml

from bench.cli import help

CONF = Path(__file__).parents[2] / "conf"


def test_every_group_and_choice_is_listed() -> None:
    lines = help.text().splitlines()
    for group in sorted(folder for folder in CONF.iterdir() if folder.is_dir()):
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


def test_three_examples_and_no_long_lines() -> None:
    text = help.text()
    assert text.count("\n  python -m bench") == 3
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "{" not in text.replace("method_by_model: {}", "").replace("{llama3b: {lora: {rank: 32}}}", "")


def test_the_command_prints_it_without_loading_anything_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CONF.parent)
    assert done.stdout == help.text()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "bench" in imported
    heavy = {"torch", "transformers", "peft", "trl", "datasets", "evaluate", "numpy", "pandas", "pydantic"}
    assert imported & heavy == set()


def test_the_text_itself_needs_no_hydra() -> None:
    program = "import sys; from bench import help; help.text(); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CONF.parent)
    assert {"hydra", "omegaconf", "yaml", "pydantic"} & set(done.stdout.split()) == set()
