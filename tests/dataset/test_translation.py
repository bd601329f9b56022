import json
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from bench.dataset import translation
from bench.dataset.translation import cache_folder, checkpoint_digests, translations
from bench.errors import InputError

TEXTS = ("第一句。第二句！\n第三句", "第一句。")


@pytest.fixture(autouse=True)
def _short_translations_in_a_cache_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(translation, "LONGEST_TRANSLATION", 12)


def test_each_sentence_is_translated_once_and_kept(
    t5_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = translations(TEXTS, str(t5_checkpoint))
    assert list(made) == list(TEXTS)
    assert f"translated 3 of 3 sentences ({t5_checkpoint})" in capfd.readouterr().err
    (file,) = cache_folder().glob("*.jsonl")
    kept = {
        entry["text"]: entry["translation"] for entry in map(json.loads, filter(None, file.read_text().split("\n")))
    }
    assert sorted(kept) == ["第一句。", "第三句", "第二句！"]
    assert made["第一句。"] == kept["第一句。"]
    assert made[TEXTS[0]] == f"{kept['第一句。']} {kept['第二句！']} {kept['第三句']}"
    # Nothing is loaded when everything is known, as in the cells that follow the check
    monkeypatch.delattr(translation, "_batches")
    assert translations(TEXTS, str(t5_checkpoint)) == made


def test_translations_are_greedy_and_leave_the_random_numbers_alone(t5_checkpoint: Path, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    made = translations(TEXTS, str(t5_checkpoint))
    assert torch.equal(torch.random.get_rng_state(), before)
    for file in cache_folder().iterdir():
        file.unlink()
    assert translations(TEXTS, str(t5_checkpoint)) == made
    assert len(set(made.values())) == 2


def test_a_line_that_was_cut_off_is_translated_again(t5_checkpoint: Path) -> None:
    made = translations(TEXTS, str(t5_checkpoint))
    (file,) = cache_folder().glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    assert translations(TEXTS, str(t5_checkpoint)) == made
    assert file.read_text().count('"translation"') == 4


def test_long_sentences_are_divided_at_commas_or_where_they_must_be() -> None:
    assert translation._pieces("他说：“走！”然后走了。完") == ["他说：“走！”然后走了。", "完"]
    with_comma = "长" * 150 + "，" + "长" * 100
    assert translation._pieces(with_comma) == ["长" * 150 + "，", "长" * 100]
    assert translation._pieces("长" * 450) == ["长" * 200, "长" * 200, "长" * 50]


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        checkpoint_digests(str(tmp_path))
    assert str(caught.value) == (
        f"dataset.translate: {tmp_path} must be the folder of a translation model, with its config.json, tokenizer and "
        "safetensors weights; download one with `hf download`, or use null to stay in Chinese"
    )


def test_a_model_that_does_not_translate_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError) as caught:
        translations(TEXTS, str(checkpoint))
    assert str(caught.value).startswith(f"dataset.translate: {checkpoint} cannot be loaded (ValueError: Unrecognized")


def test_without_torch_only_what_is_translated_already_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in `tunebench data`."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError) as caught:
        translations(["演习。事故。"], str(tmp_path))
    assert str(caught.value) == (
        "dataset.translate: 2 sentences are not translated yet; the first cell with this data translates them, or see "
        "the Chinese with dataset.translate=null"
    )


def test_a_cache_that_cannot_be_written_is_one_sentence(
    t5_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError) as caught:
        translations(TEXTS, str(t5_checkpoint))
    assert str(caught.value) == (
        f"dataset.translate: translations cannot be kept in {tmp_path}/file/translations (Not a directory); make room "
        "there, or name another folder in the environment variable TUNEBENCH_CACHE"
    )


def test_a_process_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(translation, "STUCK_S", 0.1)
    file = tmp_path / "made.jsonl"
    with FileLock(f"{file}.lock"), pytest.raises(InputError) as caught, translation._locked(file, "~/models/opus"):
        pytest.fail("two processes translate")
    assert capfd.readouterr().err == "waiting for another process that translates (~/models/opus)\n"
    assert str(caught.value) == (
        f"dataset.translate: another process has {file}.lock and has translated nothing for 0 minutes; end it, or "
        "remove that file if there is none, and run again"
    )


def test_a_process_that_goes_on_translating_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "STUCK_S", 0.5)
    file = tmp_path / "made.jsonl"
    other = FileLock(f"{file}.lock", thread_local=False)
    other.acquire()

    def translate() -> None:
        for _ in range(12):
            with file.open("a") as cache:
                cache.write("\n")
            time.sleep(0.1)
        other.release()

    thread = threading.Thread(target=translate)
    thread.start()
    with translation._locked(file, "~/models/opus"):
        assert file.read_text() == "\n" * 12
    thread.join()
