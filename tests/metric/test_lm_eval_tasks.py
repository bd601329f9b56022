"""What of a folder of tasks counts in a cell's key."""

from pathlib import Path

import pytest

from bench.errors import InputError
from bench.metric.lm_eval_tasks import contents

TASK = """
task: mine
dataset_path: json
process_docs: !function utils.only_short
dataset_kwargs:
  data_files:
    test: {data}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "mine").mkdir(parents=True)
    (tmp_path / "one.jsonl").write_text("{}\n")
    (tmp_path / "tasks" / "mine" / "mine.yaml").write_text(TASK.replace("{data}", f"{tmp_path}/*.jsonl"))
    (tmp_path / "tasks" / "mine" / "utils.py").write_text("def only_short(docs): return docs\n")
    return tmp_path / "tasks"


def test_files_and_data_count_by_content(folder: Path) -> None:
    before = contents(str(folder))
    assert [entry[0] for entry in before[:-1]] == ["mine/mine.yaml", "mine/utils.py"]
    (folder / "mine" / "__pycache__").mkdir()
    (folder / "mine" / "__pycache__" / "utils.cpython-311.pyc").write_text("compiled")
    assert contents(str(folder)) == before
    (folder.parent / "one.jsonl").write_text("{}\n{}\n")
    changed = contents(str(folder))
    assert changed[:-1] == before[:-1] != changed
    (folder.parent / "two.jsonl").write_text("{}\n")
    assert contents(str(folder))[:-1] == changed
    (folder / "mine" / "utils.py").write_text("def only_short(docs): return docs[:5]\n")
    assert contents(str(folder))[1] != before[1]


def test_a_broken_task_is_left_to_the_harness(folder: Path) -> None:
    (folder / "broken.yaml").write_text("task: [")
    assert [entry[0] for entry in contents(str(folder))[:-1]] == ["broken.yaml", "mine/mine.yaml", "mine/utils.py"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        contents(str(tmp_path / "nowhere"))
    assert str(refused.value) == (
        f"metric.lm_eval.include_path: must be a folder with tasks (YAML), got {tmp_path}/nowhere"
    )
