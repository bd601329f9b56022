"""Which code outside tunebench may run, what it is known by, and the page that explains it, followed word for word."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench import own_code
from bench.method import Method

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "extending.md").read_text()
LIGHT = REPOSITORY / "tests" / "cli" / "light"
CONSOLE = "import sys; sys.argv[0] = 'tunebench'; from bench.console import main; sys.exit(main())"
SMALL = (
    *("train.max_steps=2", "train.epochs=1", "generation.max_new_tokens=4"),
    *("dataset.tune_limit=4", "dataset.test_limit=4"),
    *("latency.warmup_runs=0", "latency.runs=1", "latency.output_tokens=2", "telemetry.hz=2", "tracker=none"),
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page, in the current folder, under names that no other test has imported."""
    name = f"pkg_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    for path, content in re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL):
        file = tmp_path / path.replace("my_pkg", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.replace("my_pkg", name))
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    monkeypatch.delenv(own_code.VARIABLE, raising=False)
    return tmp_path / name


@pytest.fixture
def run(package: Path) -> Run:
    """Runs `tunebench ...` in the folder of the package, as the installed command: without that folder on the path."""

    def tunebench(*arguments: str, allow: str = package.name, light: bool = True) -> subprocess.CompletedProcess[str]:
        path = [str(LIGHT), str(REPOSITORY)] if light else [str(REPOSITORY)]
        environment = os.environ | {"PYTHONPATH": ":".join(path), own_code.VARIABLE: allow}
        command = [sys.executable, "-P", "-c", CONSOLE, *arguments]
        return subprocess.run(command, cwd=package.parent, env=environment, capture_output=True, text=True)

    return tunebench


def embeddings(package: Path) -> dict[str, Any]:
    return {"_target_": f"{package.name}.method.Embeddings", "name": "embeddings", "learning_rate": 1e-3}


def fault(value: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Method.model_validate(value)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


def test_what_is_not_allowed_says_how_to_allow_it(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"{package.name}.method.Embeddings"
    sentence = (
        f"_target_ must name a class of tunebench, got '{target}'; to let the code of {package.name} run with your "
        "rights, start the command with TUNEBENCH_ALLOW="
    )
    assert fault(embeddings(package)) == f"{sentence}{package.name}"
    # A part of the name is not the name.
    monkeypatch.setenv(own_code.VARIABLE, f"other, {package.name[:-1]}")
    assert fault(embeddings(package)) == f"{sentence}other,{package.name[:-1]},{package.name}"
    assert package.name not in sys.modules


def test_an_allowed_package_is_found_in_the_current_folder(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own_code.VARIABLE, f"other, {package.name}")
    method = Method.model_validate(embeddings(package))
    assert (type(method).__module__, method.name) == (f"{package.name}.method", "embeddings")
    assert Method.model_validate_json(method.model_dump_json()) == method
    assert sys.path[-1] == str(package.parent)
    with pytest.raises(ValidationError, match="learning_rate\n  Input should be greater than 0"):
        Method.model_validate(embeddings(package) | {"learning_rate": -1.0})


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing", None, "_target_ names no class: 'PKG.missing.Mine' (No module named 'PKG.missing')"),
        ("empty", "", "_target_ names no class: 'PKG.empty.Mine' (module 'PKG.empty' has no attribute 'Mine')"),
        ("broken", "def (", "_target_ cannot be imported: 'PKG.broken.Mine' (SyntaxError: invalid syntax"),
        ("exits", "raise SystemExit('bye')", "_target_ cannot be imported: 'PKG.exits.Mine' (SystemExit: bye)"),
        ("other", "class Mine: ...", "_target_ must name a Method, got 'PKG.other.Mine'"),
    ],
)
def test_code_that_cannot_be_used(
    package: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | None, sentence: str
) -> None:
    monkeypatch.setenv(own_code.VARIABLE, package.name)
    if content is not None:
        (package / f"{name}.py").write_text(content)
    target = {"_target_": f"{package.name}.{name}.Mine"}
    assert fault(embeddings(package) | target).startswith(sentence.replace("PKG", package.name))


def test_all_files_of_the_package_count(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own_code.VARIABLE, package.name)
    method = Method.model_validate(embeddings(package))
    before = method.identity()
    assert [name for name, _ in before["_code_"]] == ["__init__.py", "dataset.py", "method.py", "metric.py"]
    version = own_code.versions({"method": embeddings(package), "x": {"_target_": "bench.model.Model"}})
    assert re.fullmatch(r"sha256:[0-9a-f]{16}", version[package.name])
    (package / "parts").mkdir()
    (package / "parts" / "words.py").write_text("WORDS = 1\n")
    after = method.identity()
    assert after["_code_"] == [*before["_code_"][:4], ["parts/words.py", after["_code_"][4][1]]]
    assert own_code.versions({"method": embeddings(package)}) != version


def test_a_module_that_is_one_file(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"mod_{package.name}"
    (package.parent / f"{module}.py").write_text((package / "method.py").read_text())
    monkeypatch.setenv(own_code.VARIABLE, module)
    method = Method.model_validate(embeddings(package) | {"_target_": f"{module}.Embeddings"})
    assert [name for name, _ in method.identity()["_code_"]] == [f"{module}.py"]


def test_parts_of_tunebench_have_no_code_in_their_key() -> None:
    lora = {"_target_": "bench.method.baseline.Baseline", "name": "baseline", "learning_rate": None}
    assert "_code_" not in Method.model_validate(lora).identity()
    assert own_code.versions({"method": lora}) == {}


def commands(package: Path) -> list[list[str]]:
    """The arguments of the page's grid, of its report, and of its help."""
    found = re.findall(r"^ +tunebench (.*)$|`tunebench (.*? --help)`", PAGE, flags=re.MULTILINE)
    return [shlex.split(line or inline) for line, inline in found]


def test_the_page_says_what_to_allow() -> None:
    assert "\n    export TUNEBENCH_ALLOW=my_pkg\n" in PAGE


def test_the_page_s_commands_without_torch(run: Run, package: Path) -> None:
    grid, _, listing = commands(package)
    shown = run(*listing)
    assert " embeddings," in shown.stdout
    refused = run(*grid, "tracker=none", allow="")
    assert refused.returncode == 2
    assert f"start the command with TUNEBENCH_ALLOW={package.name}" in refused.stderr
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = run(*grid, "tracker=none", *joblib)
    assert done.returncode == 0, done.stderr
    records = sorted((package.parent / "runs" / "sums").glob("*/record.json"))
    assert [record.parent.name.rpartition("-")[0] for record in records] == [
        "tiny-baseline-sums-s0",
        "tiny-embeddings-sums-s0",
    ]
    content = json.loads(records[1].read_text())
    assert content["cell"]["method"]["_target_"] == f"{package.name}.method.Embeddings"
    assert content["environment"]["packages"][package.name].startswith("sha256:")
    # The same command again has nothing to do; after an edit, it runs both cells again.
    assert run(*grid, "tracker=none").stdout.count("skipped") == 2
    (package / "dataset.py").write_text((package / "dataset.py").read_text() + "\n# edited\n")
    assert "skipped" not in run(*grid, "tracker=none").stdout
    assert len(list((package.parent / "runs" / "sums").glob("*/record.json"))) == 4


def test_data_of_an_own_class_are_shown_with_a_command_that_finds_it(run: Run, package: Path) -> None:
    shown = run("data", "hydra.searchpath=[file://./conf]", "dataset=sums", light=False)
    assert shown.returncode == 0, shown.stderr
    first, *_, last_but_one, _ = shown.stdout.splitlines()
    assert first == f"sums  made by {package.name}.dataset.Sums"
    assert last_but_one.strip() == "'hydra.searchpath=[file://./conf]'"


def test_a_cell_of_the_page_with_a_model(run: Run, package: Path) -> None:
    grid, report, _ = commands(package)
    one = [argument for argument in grid if argument != "-m" and not argument.startswith("method=")]
    done = run(*one, "method=embeddings", *SMALL, light=False)
    assert done.returncode == 0, done.stderr
    (record,) = (package.parent / "runs" / "sums").glob("*/record.json")
    content = json.loads(record.read_text())
    assert (content["status"], set(content["scores"])) == ("ok", {"numeric_match", "length"})
    tiny = json.loads((REPOSITORY / "bench" / "tiny" / "config.json").read_text())
    assert content["parameters"]["trainable"] == tiny["vocab_size"] * tiny["hidden_size"]
    assert content["score_info"]["length"]["title"] == "Length"
    assert content["scores"]["length"] > 0
    # The report neither needs nor imports the package.
    shown = run(*report, allow="")
    assert shown.returncode == 0, shown.stderr
    assert "Length" in (package.parent / "reports" / "sums" / "index.html").read_text()
