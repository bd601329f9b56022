"""The hub's client reads its settings when it is imported, so each of these worlds is a process of its own."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas
import pytest
from pydantic import ValidationError

from bench.dataset import Dataset
from tests.shipped import shipped

SQUAD = shipped("dataset", "squad_v2", tune_fraction=0)
ALPACA = shipped("dataset", "alpaca", tune_fraction=0)
REVISION = "0123456789abcdef0123456789abcdef01234567"
REMEDY = (
    "name local files with dataset.train=PATH dataset.test=PATH, "
    "or give access to it (network, and for a gated one its terms accepted on its hub page and `hf auth login`)"
)

LOAD = """
import json, sys
from bench.dataset import Dataset
from bench.errors import InputError
for settings in json.load(sys.stdin):
    try:
        print(Dataset.model_validate(settings).load().model_dump_json())
    except InputError as error:
        print(json.dumps(str(error)))
"""

CACHE = """
import json, sys
from datasets import config, load_dataset_builder
for name, revision, files, *others in json.load(sys.stdin):
    builder = load_dataset_builder("parquet", data_files=files)
    builder.dataset_name = name.split("/")[1]
    folder = config.HF_DATASETS_CACHE / name.replace("/", "___") / (others or ["default"])[0] / "0.0.0" / revision
    builder.download_and_prepare(str(folder))
    if others:
        info = folder / "dataset_info.json"
        info.write_text(json.dumps(json.loads(info.read_text()) | {"config_name": others[0]}))
"""


def python(code: str, content: Any, home: Path, **environment: str) -> list[Any]:
    """What `code` prints, a JSON value a line, in a process whose hub cache is in `home` and which reads `content`."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(content),
        env={**os.environ, "HF_HOME": str(home), **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache as a download leaves it: a SQuAD with both splits, an Alpaca with training alone, and two
    configurations of a third data set."""
    folder = tmp_path_factory.mktemp("hub")
    squad = [
        {
            "id": "a",
            "title": "T",
            "context": "It rained.",
            "question": "What?",
            "answers": {"text": ["rained", "rained"]},
        },
        {"id": "b", "title": "T", "context": "It rained.", "question": "Why?", "answers": {"text": []}},
    ]
    alpaca = [{"instruction": f"Name town {number}.", "input": "", "output": "Bern"} for number in range(50)]
    files = {}
    english = [{"instruction": "Name a river.", "input": "", "output": "Aare"}]
    for name, rows in (("squad", squad), ("alpaca", alpaca), ("english", english)):
        files[name] = str(folder / f"{name}.parquet")
        pandas.DataFrame(rows).to_parquet(files[name])
    python(
        CACHE,
        [
            ("someone/squad", REVISION, {"train": [files["squad"]], "validation": [files["squad"]]}),
            ("someone/alpaca", REVISION, {"train": [files["alpaca"]]}),
            ("someone/faq", REVISION, {"train": [files["alpaca"]], "test": [files["english"]]}, "en"),
            ("someone/faq", REVISION, {"train": [files["alpaca"]]}, "de"),
        ],
        folder,
    )
    return folder


def test_cached_copy_is_read_offline_at_its_revision_only(home: Path) -> None:
    squad = SQUAD | {"path": "someone/squad", "revision": REVISION}
    splits, kept, alpaca, other, absent = python(
        LOAD,
        [
            squad,
            squad | {"unanswerable": "keep"},
            ALPACA | {"path": "someone/alpaca", "revision": None},
            squad | {"revision": "f" * 40},
            squad | {"path": "someone/nothing"},
        ],
        home,
        HF_HUB_OFFLINE="1",
    )

    rain = {"id": "a", "cluster": "T", "question": "What?", "context": "It rained.", "references": ["rained"]}
    assert (splits["train"], splits["test"]) == ([rain], [rain])
    assert kept["train"] == [rain, rain | {"id": "b", "question": "Why?", "references": [""]}]
    assert len(alpaca["train"]) + len(alpaca["test"]) == 50
    assert {example["references"][0] for example in alpaca["test"]} == {"Bern"}
    assert other == f"someone/squad at revision {'f' * 40} is not in the cache, which has revision {REVISION}; {REMEDY}"
    assert absent == (
        f"someone/nothing at revision {REVISION} cannot be downloaded from the hub (ConnectionError: "
        f"Couldn't reach 'someone/nothing' on the Hub (OfflineModeIsEnabled)); {REMEDY}"
    )


@pytest.mark.parametrize("revision", [None, REVISION])
def test_configurations_and_splits_are_chosen_by_name(home: Path, revision: str | None) -> None:
    faq = ALPACA | {"path": "someone/faq", "revision": revision, "config": "en"}
    chosen, tuned, held_out, *messages = python(
        LOAD,
        [
            faq,
            faq | {"tune_split": "test"},
            faq | {"config": "de"},
            faq | {"config": None},
            faq | {"config": "fr"},
            faq | {"train_split": "training"},
            faq | {"test_split": "dev"},
        ],
        home,
        HF_HUB_OFFLINE="1",
    )
    assert [example["question"] for example in chosen["test"]] == ["Name a river."]
    assert (len(chosen["train"]), len(held_out["train"]) + len(held_out["test"])) == (50, 50)
    assert [example["question"] for example in tuned["tune"]] == ["Name a river."]
    assert len(tuned["train"]) + len(tuned["test"]) == 50
    name = "someone/faq" if revision is None else f"someone/faq at revision {revision}"
    assert messages == [
        f"{name} has several configurations; choose one of 'de', 'en' with dataset.config",
        f"{name} has no configuration 'fr'; name one of 'de', 'en' with dataset.config",
        "someone/faq has no split 'training'; name one of 'train', 'test' with dataset.train_split",
        "someone/faq has no split 'dev'; name one of 'train', 'test' with dataset.test_split",
    ]


def test_a_pinned_revision_in_the_cache_is_read_without_asking_the_hub(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
        squad = SQUAD | {"path": "someone/squad", "revision": REVISION}
        (splits,) = python(LOAD, [squad], home, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0")
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert [example["id"] for example in splits["test"]] == ["a"]


def test_what_comes_from_the_hub_and_is_cached(home: Path) -> None:
    code = """
import json, sys
from bench.dataset import Dataset
from bench.dataset.hub_data import cached
for settings in json.load(sys.stdin):
    source = Dataset.model_validate(settings).from_hub()
    print(json.dumps([source, source and cached(*source) is not None]))
"""
    squad = SQUAD | {"path": "someone/squad", "revision": REVISION}
    alpaca = ALPACA | {"path": "someone/alpaca", "revision": None}
    local = {"train": "a.json", "test": "b.json"}
    cases = [squad, squad | {"revision": "f" * 40}, squad | local, alpaca, alpaca | {"train": "a.json"}]
    assert python(code, cases, home) == [
        [["someone/squad", REVISION, None], True],
        [["someone/squad", "f" * 40, None], False],
        [None, None],
        [["someone/alpaca", None, None], False],
        [None, None],
    ]


def test_unreachable_hub_is_reported_within_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    squad, alpaca = python(LOAD, [SQUAD, ALPACA], tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0")
    assert time.monotonic() - started < 20  # two imports of the client and two refusals; retrying takes 23 s each
    for settings, message in ((SQUAD, squad), (ALPACA, alpaca)):
        assert message == (
            f"{settings['path']} at revision {settings['revision']} cannot be downloaded: "
            f"the hub does not answer; {REMEDY}"
        )


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for a data set that does not exist and one whose terms were not accepted."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/datasets/someone/gated"):
            self._answer(200, json.dumps({"id": "someone/gated", "sha": REVISION, "gated": "manual"}))
        elif "someone/gated" in self.path:
            self._answer(403, "", "GatedRepo")
        else:
            self._answer(404, "", "RepoNotFound")

    do_HEAD = do_GET

    def _answer(self, status: int, body: str, error: str | None = None) -> None:
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_missing_and_gated_data_sets(hub: str, tmp_path: Path) -> None:
    names = ("someone/missing", "someone/gated")
    settings = [SQUAD | {"path": name, "revision": REVISION} for name in names]
    missing, gated = python(LOAD, settings, tmp_path, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0")
    assert missing == (
        f"someone/missing at revision {REVISION} cannot be downloaded from the hub (DatasetNotFoundError: "
        f"Dataset 'someone/missing' doesn't exist on the Hub or cannot be accessed.); {REMEDY}"
    )
    assert gated == (
        f"someone/gated at revision {REVISION} cannot be downloaded from the hub (DatasetNotFoundError: "
        "Dataset 'someone/gated' is a gated dataset on the Hub. "
        f"Visit the dataset page at https://huggingface.co/datasets/someone/gated to ask for access.); {REMEDY}"
    )


@pytest.mark.parametrize("settings", [SQUAD, ALPACA])
@pytest.mark.parametrize("revision", ["main", "v1.0", REVISION[:7], REVISION.upper()])
def test_a_revision_is_a_commit(settings: dict[str, Any], revision: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Dataset.model_validate(settings | {"revision": revision})
    (fault,) = caught.value.errors()
    assert fault["loc"] == ("revision",)
    assert fault["msg"] == (
        f"Value error, must be a commit of the hub (40 hexadecimal digits) or null, got {revision!r}"
    )
