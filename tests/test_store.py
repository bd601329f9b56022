import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import store
from bench.errors import InputError
from bench.job import Job
from bench.record import SCHEMA_VERSION, Record

HOLD = """
import sys
from pathlib import Path
from bench import store
with store.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def write_record(folder: Path, record: Record) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / store.RECORD
    store.write_atomically(path, record.model_dump_json(indent=1) + "\n")
    return path


def test_a_cell_lives_under_its_study(default_job: Job) -> None:
    cell = default_job.cell
    assert store.folder_of(Path("runs"), "demo", cell) == Path("runs/demo") / cell.folder_name()
    assert default_job.folder() == store.folder_of(Path("runs"), "default", cell)


def test_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store.write_atomically(path, "old")
    store.write_atomically(path, "new, and 军队\n")
    assert path.read_bytes() == "new, and 军队\n".encode()
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The limit on a file's size refuses the write after its first 4096 bytes, as a disk does that fills up."""
    path = tmp_path / "a.json"
    store.write_atomically(path, "old")
    program = """
import resource, sys
from pathlib import Path
from bench import store
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.write_atomically(Path(sys.argv[1]), "x" * 100_000)
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store.write_atomically(path, "old")
    program = """
import os, signal, sys
from pathlib import Path
from bench import store
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
store.write_atomically(Path(sys.argv[1]), "new")
"""
    assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    # What it had begun lies beside it, and goes with the rest of the folder.
    assert len(os.listdir(tmp_path)) == 2
    store.clear(tmp_path)
    assert os.listdir(tmp_path) == []


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "cell"
    with another_process(HOLD, str(folder)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(store.Busy) as caught, store.locked(folder):
            pytest.fail("two hold the lock")
        assert str(caught.value) == f"{folder} is being run by another sweep"
        # A supervisor that is killed lets go of it.
        holder.kill()
        holder.wait()
        with store.locked(folder):
            pass


def test_the_lock_is_let_go_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.locked(tmp_path):
        _ = 1 / 0
    with another_process(HOLD, str(tmp_path)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"


def test_a_record_is_read_back(tmp_path: Path, record: Record) -> None:
    write_record(tmp_path, record)
    assert store.read_record(tmp_path) == record


def test_no_record(tmp_path: Path) -> None:
    assert store.read_record(tmp_path) is None
    assert store.read_record(tmp_path / "nowhere") is None
    assert store.set_aside_broken(tmp_path) is None


def test_a_record_that_was_cut_off_is_none_wherever_it_was_cut(tmp_path: Path, record: Record) -> None:
    path = write_record(tmp_path, record.model_copy(update={"study": "军"}))
    whole = path.read_bytes()
    within_a_character = whole.index("军".encode()) + 1
    for length in (0, 1, within_a_character, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        assert store.read_record(tmp_path) is None


def test_a_broken_record_is_set_aside(tmp_path: Path, record: Record) -> None:
    path = write_record(tmp_path, record)
    assert store.set_aside_broken(tmp_path) is None
    assert path.exists()
    path.write_text('{"schema_version": 1, "key"')
    aside = store.set_aside_broken(tmp_path)
    assert aside == tmp_path / "record.broken.json"
    assert aside.read_text() == '{"schema_version": 1, "key"'
    assert not path.exists()


def test_a_record_of_a_newer_schema_is_not_touched(tmp_path: Path, record: Record) -> None:
    path = write_record(tmp_path, record)
    newer = json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION + 1, "novelty": 1}
    path.write_text(json.dumps(newer))
    for reading in (store.read_record, store.set_aside_broken):
        with pytest.raises(InputError) as caught:
            reading(tmp_path)
        assert str(caught.value) == (
            f"{path} was written by a newer tunebench (schema {SCHEMA_VERSION + 1}; this one knows up to "
            f"{SCHEMA_VERSION}). Upgrade tunebench, or give another folder with runs=..."
        )
    assert json.loads(path.read_text()) == newer


def test_clear_keeps_the_lock_that_is_held(tmp_path: Path, record: Record) -> None:
    folder = tmp_path / "cell"
    with store.locked(folder):
        write_record(folder, record)
        (folder / "checkpoints" / "checkpoint-3").mkdir(parents=True)
        (folder / "checkpoints" / "checkpoint-3" / "weights").write_text("w")
        (folder / ".record.json.1.tmp").write_text("half")
        store.clear(folder)
        assert os.listdir(folder) == [".lock"]
        with another_process(HOLD.replace("sys.stdin.read()", ""), str(folder)) as other:
            assert other.wait() == 1
