"""The wheel: what is in it, and that the command runs from it in any folder."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip builds it, from a copy: building leaves folders in the source tree."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("bench", "conf"):
        shutil.copytree(REPOSITORY / folder, source / folder)
    for file in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, str(source / "dist"), str(source)], check=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pip would put into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def tunebench(installed: Path, tmp_path: Path) -> Run:
    """Gives what `tunebench ...` does in an empty folder, with the package of the wheel and no checkout in sight."""
    script = "import sys; from bench.console import main; sys.exit(main())"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(installed)}
        command = [sys.executable, "-P", "-c", script, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_the_wheel_has_every_file_of_the_package_and_of_conf(wheel: Path) -> None:
    tracked = [Path(REPOSITORY, "bench"), Path(REPOSITORY, "conf")]
    files = [path.relative_to(REPOSITORY) for folder in tracked for path in folder.rglob("*") if path.is_file()]
    wanted = {f"bench/{path}" if path.parts[0] == "conf" else str(path) for path in files if path.suffix != ".pyc"}
    contained = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert contained == wanted


def test_the_wheel_has_a_command(installed: Path) -> None:
    (entry_points,) = installed.glob("tunebench-*.dist-info/entry_points.txt")
    assert entry_points.read_text() == "[console_scripts]\ntunebench = bench.console:main\n"


def test_help_from_the_wheel_lists_the_choices_of_its_own_conf(tunebench: Run) -> None:
    done = tunebench("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(method in done.stdout for method in ("  method       adalora, baseline", "qlora", "toplayer"))


def test_a_cell_is_composed_from_the_wheel(tunebench: Run, installed: Path, tmp_path: Path) -> None:
    done = tunebench("--cfg", "job", "method=qlora", "method.rank=4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "method:\n  _target_: bench.method.qlora.QLoRA\n" in done.stdout
    assert "  rank: 4\n" in done.stdout
    found = tunebench("--info", "searchpath")
    assert f"{installed}/bench/conf" in found.stdout
    assert list(tmp_path.iterdir()) == []


def test_report_is_a_command_of_its_own(tunebench: Run) -> None:
    done = tunebench("report", "--study", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("runs holds no runs: ")


def test_data_is_shown_under_the_name_of_the_command(tunebench: Run) -> None:
    done = tunebench("data", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nusage: tunebench data [GROUP=CHOICE ...] [KEY=VALUE ...]\n" in done.stdout
    assert "python -m" not in done.stdout


def test_demo_takes_no_arguments(tunebench: Run) -> None:
    done = tunebench("demo", "seed=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tunebench demo takes no arguments, got 'seed=1'; to change the demo, run "
        "`tunebench experiment=demo KEY=VALUE ...` and then `tunebench report --study demo`\n"
    )


def test_the_demo_says_what_it_does(tunebench: Run) -> None:
    done = tunebench("demo", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Train and score a tiny embedded model with four methods")


def test_demo_runs_the_experiment_and_then_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import console

    begun: list[tuple[str, ...]] = []
    monkeypatch.setattr(console, "_sweep", lambda *arguments: begun.append(arguments) or 0)
    monkeypatch.setattr(console, "_report", lambda *arguments: begun.append(arguments) or 0)
    monkeypatch.setattr(sys, "argv", ["tunebench", "demo"])
    assert console.main() == 0
    assert begun == [("experiment=demo",), ("--study", "demo")]


def test_the_lock_files_have_every_requirement_with_its_hashes() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    required = {_name(entry) for entry in project["dependencies"] + project["optional-dependencies"]["dev"]}
    entries = [
        entry
        for file in ("requirements.lock", "requirements-cuda.lock")
        for entry in re.split(r"\n(?=[^ ])", (REPOSITORY / file).read_text())
        if not entry.startswith("#")
    ]
    assert required <= {_name(entry) for entry in entries}
    assert [entry for entry in entries if not re.search(r"^\S+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", entry, re.S)] == []


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=,; ]", requirement)[0].lower().replace("_", "-")
