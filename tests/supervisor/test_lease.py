"""Which GPUs a cell may lock, and that no two processes hold one at the same time."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from bench.errors import InputError
from bench.supervisor import environment, lease
from bench.supervisor.lease import Gpus, candidates, leased
from bench.telemetry import Unavailable
from bench.telemetry.nvml.boards import Board

TWO = (Board("GPU-a0", "H100", 0), Board("GPU-b1", "L4", 1))
PARTS = tuple(Board(f"MIG-p{part}", "H100", part, shared=True, old_uuid=f"MIG-GPU-a0/{part}/0") for part in (1, 2))
DIVIDED = (Board("GPU-a0", "H100", 0, shared=True, instances=PARTS), Board("GPU-b1", "H100", 1))
BROKEN = (Board("unreadable-0", None, None), Board("GPU-b1", "L4", 1))
UNDIVIDED = (Board("GPU-a0", "H100", 0, shared=True), Board("GPU-b1", "H100", 1))
"""The first could be divided, and is not yet: CUDA offers nothing of it."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(lease, "POLL_S", 0.01)


def machine(monkeypatch: pytest.MonkeyPatch, boards: Iterable[Board], visible: str | None = None) -> None:
    monkeypatch.setattr(lease, "boards", lambda: [*boards])
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


def uuids(gpus: Gpus | None) -> tuple[str, ...]:
    assert gpus is not None
    return gpus.uuids


def after_one_try() -> Callable[[], bool]:
    """The answers of a cell that is asked to stop while it waits."""
    answers = iter((False, True))
    return lambda: next(answers)


@pytest.mark.parametrize(
    ("boards", "visible", "n", "uuids"),
    [
        (TWO, None, 1, ("GPU-a0", "GPU-b1")),
        (TWO, None, 2, ("GPU-a0", "GPU-b1")),
        (TWO, "1", 1, ("GPU-b1",)),
        (TWO, "GPU-b", 1, ("GPU-b1",)),
        (TWO, "1,0", 2, ("GPU-b1", "GPU-a0")),
        (TWO, "1,-1,0", 1, ("GPU-b1",)),
        (TWO, "1 ,-1", 1, ("GPU-b1",)),
        (TWO, "", 1, ()),
        (TWO, "-1", 1, ()),
        (TWO, "NoDevFiles", 1, ()),
        (DIVIDED, None, 1, ("MIG-p1", "MIG-p2", "GPU-b1")),
        ((*DIVIDED, Board("GPU-c2", "H100", 2)), None, 2, ("GPU-b1", "GPU-c2")),
        (DIVIDED, "MIG-p2", 1, ("MIG-p2",)),
        (DIVIDED, "MIG-GPU-a0/2/0", 1, ("MIG-p2",)),
        (DIVIDED, "0", 1, ("MIG-p1",)),
        (UNDIVIDED, None, 1, ("GPU-b1",)),
        (BROKEN, None, 1, ("GPU-b1",)),
        ((), None, 1, ()),
        ((), "0", 1, ()),
    ],
)
def test_what_a_cell_may_lock(
    monkeypatch: pytest.MonkeyPatch, boards: Iterable[Board], visible: str | None, n: int, uuids: tuple[str, ...]
) -> None:
    machine(monkeypatch, boards, visible)
    assert candidates(n) == uuids


@pytest.mark.parametrize(
    ("boards", "visible", "n", "sentence"),
    [
        (
            TWO,
            "0,1",
            1,
            "CUDA_VISIBLE_DEVICES=0,1 names 2 GPUs, and a cell uses 1 (gpus_per_cell); name 1, or unset it, so that "
            "each cell takes what is free",
        ),
        (
            (),
            "GPU-a0,GPU-b1",
            1,
            "CUDA_VISIBLE_DEVICES=GPU-a0,GPU-b1 names 2 GPUs, and a cell uses 1 (gpus_per_cell); name 1, or unset it, "
            "so that each cell takes what is free",
        ),
        (
            TWO,
            "7",
            1,
            "CUDA_VISIBLE_DEVICES=7 names 0 of this machine's 2 GPUs, and a cell uses 1 (gpus_per_cell)",
        ),
        (
            BROKEN,
            "0",
            1,
            "CUDA_VISIBLE_DEVICES=0 names 0 of this machine's 2 GPUs, and a cell uses 1 (gpus_per_cell)",
        ),
        (TWO, "0", 2, "CUDA_VISIBLE_DEVICES=0 names 1 of this machine's 2 GPUs, and a cell uses 2 (gpus_per_cell)"),
        (TWO, "", 2, "CUDA_VISIBLE_DEVICES= names 0 of this machine's 2 GPUs, and a cell uses 2 (gpus_per_cell)"),
        (TWO, None, 3, "this machine has 2 GPUs that can be used, and a cell uses 3 (gpus_per_cell)"),
        ((), None, 2, "this machine has 0 GPUs that can be used, and a cell uses 2 (gpus_per_cell)"),
        (BROKEN[:1], None, 1, "this machine has 0 GPUs that can be used, and a cell uses 1 (gpus_per_cell)"),
        (
            DIVIDED,
            None,
            2,
            "gpus_per_cell: must be 1 on GPUs that MIG divides: CUDA uses one part of them, got 2",
        ),
    ],
)
def test_what_a_cell_cannot_have(
    monkeypatch: pytest.MonkeyPatch, boards: Iterable[Board], visible: str | None, n: int, sentence: str
) -> None:
    machine(monkeypatch, boards, visible)
    with pytest.raises(InputError) as refused:
        candidates(n)
    assert str(refused.value) == sentence


def test_a_number_says_nothing_where_cuda_counts_the_fastest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, TWO, "0")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    with pytest.raises(InputError) as refused:
        candidates(1)
    assert str(refused.value) == (
        "CUDA_VISIBLE_DEVICES=0 could mean any of these GPUs with CUDA_DEVICE_ORDER=FASTEST_FIRST; set "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs"
    )


def test_without_nvml_a_cell_gets_what_the_user_named_or_the_first_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, [])
    said: list[str] = []
    with leased(1, tmp_path, lambda: False, said.append) as gpus:
        assert gpus == Gpus("0", ())
        assert gpus.variables == {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with leased(1, tmp_path, lambda: False, said.append) as gpus:
        assert gpus == Gpus("", ())
    assert (said, [*tmp_path.iterdir()]) == ([], [])


@pytest.mark.parametrize("reason", ["hung", "nvml_failed: Unknown Error"])
def test_a_cell_takes_no_gpu_that_nvml_does_not_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str
) -> None:
    answered = threading.Event()

    def silent() -> list[Board]:
        if reason == "hung":
            answered.wait(60)
        raise Unavailable(reason)

    monkeypatch.setattr(environment, "HANG_S", 0.05)
    monkeypatch.setattr(lease, "boards", silent)
    with pytest.raises(InputError) as refused, leased(1, tmp_path, lambda: False, print):
        pass
    assert str(refused.value) == (
        f"no GPU can be locked, since NVML does not list them ({reason}); run again once nvidia-smi shows them, or set "
        "CUDA_VISIBLE_DEVICES= to run on the CPU"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with leased(1, tmp_path, lambda: False, print) as gpus:
        assert gpus == Gpus("", ())
    answered.set()


def test_a_cell_on_the_cpu_of_a_machine_with_gpus_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, TWO, "")
    said: list[str] = []
    with leased(1, tmp_path, lambda: False, said.append) as gpus:
        assert gpus == Gpus("", ())
    assert said == ["on the CPU: CUDA_VISIBLE_DEVICES= hides all GPUs of this machine, which has 2"]


def test_each_cell_gets_another_gpu_and_waits_while_none_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, TWO)
    folder = tmp_path / "locks"
    said: list[str] = []
    with leased(1, folder, lambda: False, said.append) as first, ExitStack() as until_it_waits:
        second = until_it_waits.enter_context(leased(1, folder, lambda: False, said.append))
        assert (uuids(first), uuids(second)) == (("GPU-a0",), ("GPU-b1",))
        assert said == []

        def release(state: str) -> None:
            said.append(state)
            until_it_waits.close()

        with leased(1, folder, lambda: False, release) as third:
            assert uuids(third) == ("GPU-b1",)
    assert said == ["waiting for a free GPU of 2"]


def test_a_cell_that_was_asked_to_stop_takes_no_gpu_that_became_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, TWO)
    with leased(1, tmp_path, lambda: True, print) as gpus:
        assert gpus is None


def test_a_cell_takes_all_its_gpus_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, TWO)
    answers = iter((False, False, True))
    said: list[str] = []
    with leased(1, tmp_path, lambda: False, said.append):
        with leased(2, tmp_path, lambda: next(answers), said.append) as both:
            assert both is None
        with leased(1, tmp_path, lambda: False, said.append) as other:
            assert uuids(other) == ("GPU-b1",)
    assert said == 2 * ["waiting for 2 free GPUs of 2"]
    with leased(2, tmp_path, lambda: False, said.append) as both:
        assert both is not None
        assert (both.visible, both.uuids) == ("GPU-a0,GPU-b1", ("GPU-a0", "GPU-b1"))


def test_a_gpu_that_was_named_is_locked_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, TWO, "1")
    with leased(1, tmp_path, lambda: False, print), leased(1, tmp_path, after_one_try(), print) as second:
        assert second is None


HOLDER = """
import sys, time
from pathlib import Path
from bench.supervisor import environment, lease
from bench.telemetry.nvml.boards import Board
lease.boards = lambda: [Board("GPU-a0", "H100", 0)]
with lease.leased(1, Path(sys.argv[1]), lambda: False, print):
    print("locked", flush=True)
    time.sleep(300)
"""


def test_the_locks_of_a_process_that_is_killed_are_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, TWO[:1])
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with leased(1, tmp_path, after_one_try(), print) as gpus:
        assert gpus is None
    with leased(1, tmp_path, lambda: False, lambda _: holder.kill()) as gpus:
        assert uuids(gpus) == ("GPU-a0",)
    holder.communicate()


BUSY = """
import ctypes, os, time
def main(connection):
    connection.send(os.getpid())
    # This call keeps the interpreter's lock, so the thread that ends the process waits for it.
    ctypes.PyDLL(None).sleep(2)
    time.sleep(300)
"""
FORKING = """
import sys, time
from pathlib import Path
from bench.supervisor import lease, server
from bench.telemetry.nvml.boards import Board
lease.boards = lambda: [Board("GPU-a0", "H100", 0)]
with lease.leased(1, Path(sys.argv[1]), lambda: False, print) as gpus:
    child = server.fork("busy:main", (), "busy", gpus.variables, gpus.locks)
    pid = child.events.recv()
    time.sleep(0.3)
    print(pid, flush=True)
    time.sleep(300)
"""


def test_a_gpu_is_free_once_the_process_of_a_killed_supervisor_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, TWO[:1])
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, types\nsys.modules['bench.child.warm'] = types.ModuleType('bench.child.warm')\n"
    )
    (tmp_path / "busy.py").write_text(BUSY)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", FORKING, tmp_path / "locks"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    computing = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    with leased(1, tmp_path / "locks", lambda: False, lambda _: None) as gpus:
        assert uuids(gpus) == ("GPU-a0",)
        # The system frees the lock a moment before the process is gone.
        time.sleep(0.2)
        assert not computing.is_running() or computing.status() == psutil.STATUS_ZOMBIE


def test_everybody_can_lock_and_nobody_can_remove_others_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, [Board("MIG-GPU-a0/1/0", "A100", 0)])
    folder = tmp_path / "locks"
    before = os.umask(0o077)
    try:
        with leased(1, folder, lambda: False, print):
            pass
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"MIG-GPU-a0-1-0": 0o666}


def test_a_folder_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, TWO)
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "locks"
    with pytest.raises(InputError) as refused, leased(1, folder, lambda: False, print):
        pass
    assert str(refused.value) == (
        f"{folder}: no GPU can be locked (Not a directory); give a folder that everybody who uses this machine can "
        "write in with gpu_locks=..."
    )
