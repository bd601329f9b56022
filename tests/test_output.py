"""Commands whose output nobody reads, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import output

REPOSITORY = Path(__file__).parents[1]


def run(*arguments: str, stdout: int, folder: Path) -> tuple[int, str]:
    """The exit status of the command, and what it printed as an error."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from bench.console import main; sys.exit(main())", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": ""},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("data", "dataset=events"), ("--cfg", "job"), ("decide", "--help"), ("report", "--help")],
    ids=" ".join,
)
def test_a_command_that_prints_ends_quietly_once_nobody_reads_it(
    arguments: tuple[str, ...], unread: int, tmp_path: Path
) -> None:
    assert run(*arguments, stdout=unread, folder=tmp_path) == (141, "")


def test_ctrl_c_ends_a_command_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def stopped() -> int:
        print("half of it")
        raise KeyboardInterrupt

    assert output.run(stopped) == 130
    assert capfd.readouterr() == ("half of it\n", "")


def test_without_standard_output_there_is_no_traceback(tmp_path: Path) -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from bench.console import main; sys.exit(main())"
    command = f"'{sys.executable}' -c \"{code}\" >&-"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")
