import json
from pathlib import Path

import pytest

from bench.child.checkpoints import clear, newest_complete, pin, pinned, seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of steps 4, 8 and 12; the best weights so far are those of steps 4, 4 and 12."""
    for step, best in ((4, 4), (8, 4), (12, 12)):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "best_global_step": best}))
        (checkpoint / "optimizer.pt").write_bytes(b"12345")
        (checkpoint / "weights.safetensors").write_bytes(b"123")
        seal(checkpoint)
    return tmp_path


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_by_steps(folder: Path) -> None:
    warnings: list[str] = []
    assert newest_complete(folder, warnings.append) == folder / "checkpoint-12"
    assert warnings == []
    assert kept(folder) == ["checkpoint-12", "checkpoint-4", "checkpoint-8"]


def test_what_somebody_else_put_there_is_left_alone(folder: Path) -> None:
    (folder / "checkpoint-8 (copy)").mkdir()
    assert newest_complete(folder, pytest.fail) == folder / "checkpoint-12"
    assert "checkpoint-8 (copy)" in kept(folder)


def test_there_is_none(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "nothing", pytest.fail) is None


def test_the_manifest_has_the_size_of_every_other_file(folder: Path) -> None:
    checkpoint = folder / "checkpoint-4"
    assert json.loads((checkpoint / "manifest.json").read_text()) == {
        "trainer_state.json": 41,
        "optimizer.pt": 5,
        "weights.safetensors": 3,
    }


def test_an_incomplete_one_is_removed_with_a_sentence(folder: Path) -> None:
    (folder / "checkpoint-12" / "optimizer.pt").write_bytes(b"1234")
    warnings: list[str] = []
    assert newest_complete(folder, warnings.append) == folder / "checkpoint-8"
    assert warnings == [
        "checkpoint-12 was removed (optimizer.pt has 4 of 5 bytes); "
        "training resumes from an earlier checkpoint or from the start"
    ]
    assert kept(folder) == ["checkpoint-4", "checkpoint-8"]


def test_one_of_a_version_that_kept_its_weights_elsewhere_is_removed(folder: Path) -> None:
    (folder / "checkpoint-12" / "weights.safetensors").unlink()
    seal(folder / "checkpoint-12")
    warnings: list[str] = []
    assert newest_complete(folder, warnings.append) == folder / "checkpoint-8"
    assert warnings == [
        "checkpoint-12 was removed (weights.safetensors is missing); "
        "training resumes from an earlier checkpoint or from the start"
    ]


def test_one_whose_best_weights_are_incomplete_cannot_be_resumed_from(folder: Path) -> None:
    (folder / "checkpoint-12" / "optimizer.pt").unlink()
    (folder / "checkpoint-4" / "manifest.json").unlink()
    warnings: list[str] = []
    assert newest_complete(folder, warnings.append) is None
    end = "; training resumes from an earlier checkpoint or from the start"
    assert warnings == [
        f"checkpoint-12 was removed (optimizer.pt is missing){end}",
        f"checkpoint-8 was removed (it refers to checkpoint-4, but it has no readable manifest.json){end}",
        f"checkpoint-4 was removed (it has no readable manifest.json){end}",
    ]
    assert kept(folder) == []


def test_the_commit_of_the_base_stays_when_training_starts_again(folder: Path) -> None:
    assert pinned(folder) is None
    pin(folder, 40 * "c")
    clear(folder)
    assert kept(folder) == ["revision"]
    assert pinned(folder) == 40 * "c"
