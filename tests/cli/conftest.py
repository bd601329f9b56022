"""The command in processes of its own, with light cells that load no torch, or with real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LIGHT = Path(__file__).parent / "light"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command in a process group of its own.

    `modules` is a folder whose modules replace others, None for those that there are; `script` runs before the command;
    further variables go into the environment.
    """
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, modules: Path | None = LIGHT, script: str = "", **variables: str) -> subprocess.Popen[str]:
        first = [] if modules is None else [str(modules)]
        code = f"import sys\n{script}\nfrom bench.__main__ import main\nsys.exit(main())"
        process = subprocess.Popen(
            [sys.executable, *(["-c", code] if script else ["-m", "bench"]), *arguments],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": ":".join([*first, str(REPOSITORY)])} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Tests that run under nohup would hand down that a closing terminal is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL) and None,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def bench(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command to its end; takes what `start` takes."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < give_up_s
            time.sleep(0.02)

    return wait
