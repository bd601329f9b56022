import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import store
from bench.errors import InputError
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


def test_a_file_is_written_in_full(tmp_path: Path) -> None:
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
    # The temporary file stays, and is removed with the rest of the folder.
    assert len(os.listdir(tmp_path)) == 2
    assert store.clear(tmp_path) == ["a.json"]
    assert os.listdir(tmp_path) == ["a.json"]


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "cell"
    with another_process(HOLD, str(folder)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError) as caught, store.locked(folder):
            pytest.fail("two hold the lock")
        assert str(caught.value) == f"{folder} is being run by another sweep on {platform.node()}"
        # The lock of a killed supervisor is released.
        holder.kill()
        holder.wait()
        with store.locked(folder):
            pass


def test_the_lock_is_released_after_a_failure(tmp_path: Path) -> None:
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


def test_a_record_that_was_cut_off_is_none_at_any_length(tmp_path: Path, record: Record) -> None:
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


def test_clear_removes_what_tunebench_wrote_and_keeps_the_lock_that_is_held(tmp_path: Path, record: Record) -> None:
    folder = tmp_path / "cell"
    with store.locked(folder):
        write_record(folder, record)
        (folder / "checkpoints" / "checkpoint-3").mkdir(parents=True)
        (folder / "checkpoints" / "checkpoint-3" / "weights").write_text("w")
        (folder / ".record.json.1.tmp").write_text("half")
        assert store.clear(folder) == []
        assert sorted(os.listdir(folder)) == [".lock", ".lock.host"]
        with another_process(HOLD.replace("sys.stdin.read()", ""), str(folder)) as other:
            assert other.wait() == 1


def test_clear_leaves_what_tunebench_did_not_write_and_names_it(tmp_path: Path, record: Record) -> None:
    write_record(tmp_path, record)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "lab.md").write_text("mine")
    (tmp_path / "plot.png").write_text("mine")
    assert store.clear(tmp_path) == ["notes", "plot.png"]
    assert (tmp_path / "notes" / "lab.md").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["notes", "plot.png"]


def test_clear_removes_links_and_nothing_behind_them(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "cell", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "log.txt").write_text("precious")
    (folder / "checkpoints").symlink_to(elsewhere)
    (folder / "log.txt").symlink_to(elsewhere / "log.txt")
    assert store.clear(folder) == []
    assert os.listdir(folder) == []
    linked = tmp_path / "linked"
    linked.symlink_to(elsewhere)
    with pytest.raises(InputError) as caught:
        store.clear(linked)
    assert str(caught.value) == (
        f"{linked} is a symbolic link, and force=true removes nothing behind one; remove the link"
    )
    assert (elsewhere / "log.txt").read_text() == "precious"


def test_a_kill_while_clearing_never_leaves_half_a_cell_that_counts_as_complete(tmp_path: Path, record: Record) -> None:
    """However soon the process dies after it began to remove something, the record is gone."""
    folder = tmp_path / "cell"
    write_record(folder, record)
    for name in ("config.yaml", "predictions.jsonl", "adapter"):
        (folder / name).mkdir()
    program = """
import os, shutil, signal, sys
from pathlib import Path
from bench import store
shutil.rmtree = lambda _: os.kill(os.getpid(), signal.SIGKILL)
store.clear(Path(sys.argv[1]))
"""
    assert subprocess.run([sys.executable, "-c", program, str(folder)]).returncode == -signal.SIGKILL
    assert sorted(os.listdir(folder)) == ["adapter", "config.yaml", "predictions.jsonl"]


def directory(path: Path) -> None:
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(directory, "Is a directory"), (link_to_itself, "Too many levels of symbolic links")],
)
def test_a_record_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "record.json")
    with pytest.raises(InputError) as caught:
        store.read_record(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/record.json cannot be read ({reason}); make it readable, remove it, or give another folder with "
        "runs=..."
    )


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become another user")
def test_the_record_of_another_user_is_one_sentence(tmp_path: Path, record: Record) -> None:
    path = write_record(tmp_path, record)
    path.chmod(0o600)
    try:
        os.seteuid(65534)
        with pytest.raises(InputError, match=r"record\.json cannot be read \(Permission denied\)"):
            store.read_record(tmp_path)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cell", "{}/cell/.lock cannot be locked (Is a directory); remove it and run again"),
        (
            "x" * 300,
            "{}/" + "x" * 300 + " cannot be written in (File name too long); give another folder with runs=...",
        ),
    ],
)
def test_a_folder_that_cannot_be_locked_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "cell" / ".lock").mkdir(parents=True)
    with pytest.raises(InputError) as caught, store.locked(tmp_path / name):
        pytest.fail("it was locked")
    assert str(caught.value) == sentence.format(tmp_path)
