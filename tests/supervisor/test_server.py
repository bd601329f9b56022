"""Real fork servers, each in a process of its own so that its modules can be broken."""

import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FORK = """
import sys
from bench.supervisor import server
try:
    child = server.fork(sys.argv[1], tuple(sys.argv[2:]), "test")
except server.ServerFailed as error:
    print(error)
else:
    try:
        print(child.events.recv())
    except EOFError:
        child.process.join()
        print(child.process.exitcode, server.last_line())
"""
ECHO = """
import os
print("imported")
def main(word, connection):
    connection.send((word, os.environ["TMPDIR"]))
"""


def fork(folder: Path, target: str, *arguments: str, tmpdir: str = "/tmp") -> str:
    """What `FORK` prints, with the modules in `folder` in front of all others."""
    environment = os.environ | {"PYTHONPATH": f"{folder}:{REPOSITORY}", "TMPDIR": tmpdir}
    command = [sys.executable, "-c", FORK, target, *arguments]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    return done.stdout


def with_light_server(folder: Path) -> None:
    """Have the server in `folder` import nothing heavy: its `bench.child.warm` is empty."""
    (folder / "sitecustomize.py").write_text(
        "import sys, types\nsys.modules['bench.child.warm'] = types.ModuleType('bench.child.warm')\n"
    )


def test_any_function_is_forked_with_its_arguments_and_a_pipe(tmp_path: Path) -> None:
    with_light_server(tmp_path)
    (tmp_path / "echo.py").write_text(ECHO)
    assert fork(tmp_path, "echo:main", "hello") == "('hello', '/tmp')\n"


SHOW = """
import os
def main(connection):
    connection.send({name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OTHER")})
"""
VARIABLES = """
import os, sys
from bench.supervisor import server
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-1"
print(server.fork("show:main", (), "one").events.recv(), os.environ["CUDA_VISIBLE_DEVICES"])
os.environ["CUDA_VISIBLE_DEVICES"] = "GPU-9"
print(server.fork("show:main", (), "two", {"CUDA_VISIBLE_DEVICES": "GPU-2", "OTHER": "x"}).events.recv())
print(server.fork("show:main", (), "three").events.recv())
"""


def test_a_process_gets_variables_of_its_own_and_the_server_no_mig_device(tmp_path: Path) -> None:
    """Counting MIG devices, torch would start CUDA in the server."""
    with_light_server(tmp_path)
    (tmp_path / "show.py").write_text(SHOW)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    command = [sys.executable, "-c", VARIABLES]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "{'CUDA_VISIBLE_DEVICES': None, 'OTHER': None} MIG-1",
        "{'CUDA_VISIBLE_DEVICES': 'GPU-2', 'OTHER': 'x'}",
        "{'CUDA_VISIBLE_DEVICES': None, 'OTHER': None}",
    ]


def test_a_temporary_folder_too_long_for_a_socket_does_no_harm(tmp_path: Path) -> None:
    with_light_server(tmp_path)
    (tmp_path / "echo.py").write_text(ECHO)
    long = tmp_path / ("long" * 30)
    long.mkdir()
    assert fork(tmp_path, "echo:main", "hello", tmpdir=str(long)) == f"('hello', '{long}')\n"


def test_a_server_whose_imports_fail_says_why(tmp_path: Path) -> None:
    (tmp_path / "datasets.py").write_text("raise RuntimeError('this library is broken')\n")
    assert fork(tmp_path, "bench.child.run:main", "cell") == (
        "the server that forks cells did not start: RuntimeError: this library is broken\n"
    )


def test_an_import_error_shows_in_the_forked_process(tmp_path: Path) -> None:
    """The fork server passes over an ImportError; the process that needs the module then fails with it."""
    (tmp_path / "datasets.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    assert fork(tmp_path, "bench.child.run:main", "cell") == (
        "1 ImportError: libcudart.so.12: cannot open shared object file\n"
    )


def test_a_server_killed_while_it_starts(tmp_path: Path) -> None:
    (tmp_path / "datasets.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    started_s = time.monotonic()
    assert fork(tmp_path, "bench.child.run:main", "cell") == (
        "the server that forks cells did not start: it was killed\n"
    )
    assert time.monotonic() - started_s < 30
