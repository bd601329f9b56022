"""The hub, as a real server, a port where nobody listens, and its offline mode; and its cache on this machine."""

import mmap
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from bench import hub
from bench.errors import InputError
from bench.hub import cached_snapshot, hub_answers, snapshot

COMMIT = 40 * "c"


class NotFound(BaseHTTPRequestHandler):
    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    do_GET = do_HEAD

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    """The paths that the server was asked for."""
    return []


@pytest.fixture
def server(asked: list[str]) -> Iterator[str]:
    handler = type("Counting", (NotFound,), {"asked": asked})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, and a hub that was not asked yet."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "_last_answer", memoryview(mmap.mmap(-1, 16)).cast("d"))


def cached(tmp_path: Path, checkpoint: Path, reference: str | None = None) -> Path:
    """The checkpoint as `someone/small` in the hub's cache."""
    folder = tmp_path / "models--someone--small" / "snapshots" / COMMIT
    shutil.copytree(checkpoint, folder)
    if reference:
        (tmp_path / "models--someone--small" / "refs").mkdir()
        (tmp_path / "models--someone--small" / "refs" / reference).write_text(COMMIT)
    return folder


def test_any_answer_will_do(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    assert hub_answers() is True


def test_offline_mode_asks_nobody(server: str, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_answers() is False
    assert asked == []


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert hub_answers() is False


def test_a_server_that_never_answers_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert hub_answers(timeout_s=0.2) is False


def test_the_hub_is_asked_once(server: str, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    assert [hub_answers(), hub_answers()] == [True, True]
    assert len(asked) == 1
    # Ten minutes later it may have come or gone.
    monkeypatch.setattr(hub, "ASK_AGAIN_AFTER_S", 0.0)
    assert hub_answers() is True
    assert len(asked) == 2


def test_processes_that_were_forked_from_one_ask_once_together(
    server: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    for _ in range(3):
        cell = multiprocessing.get_context("fork").Process(target=hub_answers)
        cell.start()
        cell.join()
        assert cell.exitcode == 0
    assert hub_answers() is True
    assert len(asked) == 1


def test_a_commit_in_the_cache_asks_nobody(
    server: str, asked: list[str], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    folder = cached(tmp_path, checkpoint)
    assert snapshot("someone/small", COMMIT, hub.CHECKPOINT_FILES, "or stop.") == folder
    assert asked == []


@pytest.mark.parametrize("cut", ["weights", "shard"])
def test_a_commit_that_is_not_whole_in_the_cache_is_asked_for(
    server: str, asked: list[str], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    folder = cached(tmp_path, checkpoint, "main")
    if cut == "weights":
        (folder / "model.safetensors").unlink()
    else:
        (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "1.safetensors"}}')
    assert cached_snapshot("someone/small", COMMIT, hub.CHECKPOINT_FILES) is None
    assert cached_snapshot("someone/small", None, hub.CHECKPOINT_FILES) is None
    # The hub client keeps the address that it was started with, so this asks in a process of its own.
    program = f"from bench.hub import *; snapshot('someone/small', {COMMIT!r}, CHECKPOINT_FILES, 'or stop.')"
    environment = {"HF_ENDPOINT": server, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    subprocess.run([sys.executable, "-c", program], env=os.environ | environment)
    assert any(COMMIT in path for path in asked)


def test_a_commit_that_was_downloaded_without_its_code_is_asked_for_once_it_is_trusted(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = cached(tmp_path, checkpoint)
    trusted = (*hub.CHECKPOINT_FILES, "*.py")
    assert cached_snapshot("someone/small", COMMIT, hub.CHECKPOINT_FILES) == folder
    assert cached_snapshot("someone/small", COMMIT, trusted) is None
    (folder / "modeling_small.py").touch()
    assert cached_snapshot("someone/small", COMMIT, trusted) == folder


def test_the_newest_in_the_cache_if_the_hub_is_silent(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = cached(tmp_path, checkpoint, "main")
    assert snapshot("someone/small", None, hub.CHECKPOINT_FILES, "or stop.") == folder
    assert cached_snapshot("someone/small", None, hub.CHECKPOINT_FILES) == folder
    assert cached_snapshot("someone/large", None, hub.CHECKPOINT_FILES) is None


def test_not_on_this_machine_and_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError) as caught:
        snapshot("someone/small", COMMIT, hub.CHECKPOINT_FILES, "or stop.")
    assert str(caught.value) == (
        "someone/small is not on this machine, and the hub cannot be reached. Check the network, or stop."
    )


def test_a_name_too_long_for_a_file_names_no_folder() -> None:
    assert hub.local_folder(300 * "x") is None
