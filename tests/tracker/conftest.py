"""A cell to track, W&B kept away from whoever runs the tests, and a server that answers as W&B's does."""

import gzip
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bench.child.scores import persist
from bench.job import Job
from bench.machine import Environment
from bench.metric import Answer, Scores, fraction
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo
from bench.tracker.wandb_uploader import SERVER_TOO_LATE

ANSWERS = [
    Answer(
        id=f"q{number}",
        cluster=f"document {number // 2}",
        question="Who?",
        context="Somebody.",
        prediction=f"<b>answer\u2028{number}</b>",
        references=(f"answer {number}", "something else"),
        reference_nll_nats=1.5,
        reference_tokens=3,
    )
    for number in range(8)
]


@pytest.fixture
def cell_info(default_job: Job, machine: tuple[Environment, dict[str, str]], tmp_path: Path) -> CellInfo:
    """The default cell, which started at 100 s, in a folder with its predictions and its adapter."""
    folder = tmp_path / "runs" / "demo" / "tiny-lora-events-s0-0123456789ab"
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    info = {"token_f1": fraction("Token F1")}
    scores = Scores(
        info=info, values={"token_f1": 0.625}, examples={"token_f1": (1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 1.0)}
    )
    persist(folder / "predictions.jsonl", ANSWERS, scores)
    return CellInfo(default_job.cell, "0123456789ab", "demo", default_job.title(), folder, 100.0, machine[0])


@pytest.fixture
def readings() -> list[Reading]:
    """Two seconds of one GPU, with a peak that one reading in ten sees, and of the host."""
    found = [Reading("gpu", -0.5, facts={"driver": "570.1", "devices": {"GPU-a": {"name": "H100"}}})]
    for tick in range(20):
        power_w = 700.0 if tick == 4 else 100.0
        values = {"power_w": power_w, "energy_j": 5_000.0 + tick, "event_reasons": 4}
        found.append(Reading("gpu", tick / 10, 0.001, values={"devices": {"GPU-a": values}}))
        found.append(Reading("host", tick / 10, 0.001, values={"rss_bytes": 1_000 + tick, "cpu_s": tick / 5}))
    return found


@pytest.fixture
def wandb_apart(tmp_path: Path) -> Iterator[None]:
    """No key, no settings and no caches but the test's own; W&B begins and ends with the test."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_") and name != "NETRC"}
    own |= {f"XDG_{kind}_HOME": str(tmp_path / "home" / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    with mock.patch.dict(os.environ, own | {"HOME": str(tmp_path / "home")}, clear=True):
        SERVER_TOO_LATE.clear()
        yield
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()


@dataclass
class Uploaded:
    """One run as the server has it."""

    fields: dict[str, Any] = field(default_factory=dict)
    """What the run was begun with: group, job type, tags ..."""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)


class WandbServer:
    """As much of W&B's protocol as a run needs: GraphQL for the run itself, a stream for history, uploads for files."""

    def __init__(self, silent: bool = False) -> None:
        self.runs: dict[str, Uploaded] = {}
        self.keys: set[str | None] = set()
        self.silent = silent
        """Takes connections and requests, and never answers."""
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self._body()
                outer._pause()
                outer.keys.add(self.headers.get("Authorization"))
                if self.path == "/graphql":
                    self._reply(outer.answer(json.loads(body)))
                else:
                    outer.receive(self.path, json.loads(body))
                    self._reply({})

            def do_PUT(self) -> None:
                _, _, name, path = self.path.split("/", maxsplit=3)
                outer.runs[name].files[path] = self._body()
                self._reply({})

            def _body(self) -> bytes:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

            def _reply(self, content: dict[str, Any]) -> None:
                if outer._over.is_set():
                    self.close_connection = True
                    return
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Connections that a client leaves open end with the test process, not before.
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _pause(self) -> None:
        if self.silent:
            self._over.wait()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        named = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])
        assert named is not None
        given = request.get("variables") or {}
        match named[1]:
            case "UpsertBucket":
                run = self.runs.setdefault(given["name"], Uploaded())
                run.fields |= {name: value for name, value in given.items() if value is not None}
                run.config |= json.loads(given["config"]) if given["config"] else {}
                project = {"id": "P", "name": given["project"], "entity": {"id": "E", "name": "lab"}}
                bucket = {"id": "R", "name": given["name"], "historyLineCount": 0, "project": project}
                return {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
            case "Viewer":
                return {"data": {"viewer": {"id": "U", "entity": "lab", "flags": "{}", "teams": {"edges": []}}}}
            case "CreateRunFiles":
                files = [
                    {"name": name, "uploadUrl": f"{self.url}/upload/{given['run']}/{name}"} for name in given["files"]
                ]
                return {"data": {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}}
            case "RunStoppedStatus":
                return {"data": {"project": {"run": {"stopped": False}}}}
        return {"errors": [{"message": f"{named[1]}: not known to this server"}]}

    def receive(self, path: str, content: dict[str, Any]) -> None:
        run = self.runs[path.split("/")[-2]]
        for name, part in content.get("files", {}).items():
            if name == "wandb-history.jsonl":
                run.history += [json.loads(line) for line in part["content"]]
            elif name == "wandb-summary.json":
                run.summary = json.loads(part["content"][-1])
        if content.get("complete"):
            run.exit_code = content["exitcode"]

    def die(self) -> None:
        """From now on, connections are refused and requests are not answered."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def wandb_server() -> Iterator[WandbServer]:
    server = WandbServer()
    yield server
    server.die()


@pytest.fixture
def silent_server() -> Iterator[WandbServer]:
    server = WandbServer(silent=True)
    yield server
    server.die()
