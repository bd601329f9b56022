"""Locks of machines that fail. A process that is stopped stands for one: it holds its lock and does nothing."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import Timeout

from bench import lock

Hold = Callable[..., "subprocess.Popen[str]"]

WITHOUT_FLOCK = """
import fcntl, errno, warnings
def flock(*_): raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = flock
warnings.simplefilter("ignore")
"""
HOLD = """
import sys, socket, platform
from pathlib import Path
if host := sys.argv[2]:
    platform.node = socket.gethostname = lambda: host
from bench import lock
lock.BEAT_S = 0.1
try:
    with lock.exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except lock.Timeout:
    print("refused", flush=True)
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Starts a process that locks the folder, as if on another host, and waits until it has, or was refused."""
    started = []

    def start(expected: str = "held", host: str = "", first: str = "") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", first + HOLD, str(tmp_path), host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{expected}\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def refused(folder: Path) -> bool:
    try:
        with lock.exclusive(folder):
            return False
    except Timeout:
        return True


def age(folder: Path, seconds: float) -> None:
    """Have the holder's last sign of life be that long ago."""
    then_s = time.time() - seconds
    os.utime(folder / lock.HOLDER, (then_s, then_s))


def test_a_lock_of_a_machine_that_failed_is_taken_over_after_a_while(hold: Hold, tmp_path: Path) -> None:
    hold(host="n1").send_signal(signal.SIGSTOP)
    age(tmp_path, lock.STALE_S - 30)
    assert refused(tmp_path)
    assert lock.holder(tmp_path) == "n1"
    age(tmp_path, lock.STALE_S + 1)
    with lock.exclusive(tmp_path):
        assert lock.holder(tmp_path) == platform.node()
        hold("refused")
        hold("refused", host="n2")
    assert sorted(os.listdir(tmp_path)) == [".lock", ".lock.host"]


def test_it_is_known_who_holds_a_lock_now(hold: Hold, tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    assert not list(tmp_path.iterdir())
    process = hold(host="n1")
    assert lock.is_held(tmp_path)
    process.send_signal(signal.SIGSTOP)
    age(tmp_path, lock.STALE_S + 1)
    assert not lock.is_held(tmp_path), "its machine has failed"
    process.kill()
    process.wait()
    hold(host="n1").communicate()
    assert (tmp_path / lock.HOLDER).exists()
    assert not lock.is_held(tmp_path), "it has ended"


def test_a_holder_shows_that_it_lives(hold: Hold, tmp_path: Path) -> None:
    hold(host="n1")
    age(tmp_path, lock.STALE_S + 1)
    give_up_s = time.monotonic() + 60
    while (tmp_path / lock.HOLDER).stat().st_mtime < time.time() - lock.STALE_S:
        assert time.monotonic() < give_up_s
        time.sleep(0.02)
    assert refused(tmp_path)


def test_a_process_of_this_host_that_is_stopped_keeps_its_lock_and_a_killed_one_does_not(
    hold: Hold, tmp_path: Path
) -> None:
    process = hold()
    process.send_signal(signal.SIGSTOP)
    age(tmp_path, 10 * lock.STALE_S)
    assert refused(tmp_path)
    process.kill()
    process.wait()
    assert not refused(tmp_path)


def test_a_file_system_without_flock_does_not_block_forever(hold: Hold, tmp_path: Path) -> None:
    """Without flock, filelock leaves a file, which nobody removes if the machine fails."""
    process = hold(host="n1", first=WITHOUT_FLOCK)
    process.kill()
    process.wait()
    hold("refused", host="n2", first=WITHOUT_FLOCK)
    age(tmp_path, lock.STALE_S + 1)
    hold(host="n2", first=WITHOUT_FLOCK)
    hold("refused", host="n3", first=WITHOUT_FLOCK)


def test_of_two_that_take_over_only_one_has_the_lock(tmp_path: Path) -> None:
    """The second sees the lock of the first in place of the one that it found abandoned."""
    (tmp_path / lock.LOCK).touch()
    inode = (tmp_path / lock.LOCK).stat().st_ino
    (tmp_path / "kept").hardlink_to(tmp_path / lock.LOCK)
    lock._remove(tmp_path / lock.LOCK, inode)
    with lock.exclusive(tmp_path):
        lock._remove(tmp_path / lock.LOCK, inode)
        assert refused(tmp_path)
