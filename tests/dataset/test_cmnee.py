"""CMNEE's layout, in invented documents."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.cmnee import KINDS, Cmnee
from bench.dataset.overlap import require_disjoint
from bench.dataset.translation import cache_folder, checkpoint_digests
from bench.errors import InputError
from tests.shipped import shipped

SETTINGS = shipped("dataset", "cmnee")
TEXT = "5月3日，奥西亚海军在北港附近试射了两枚海鹰导弹。导弹和一艘靶船被毁，三名水兵受伤。"


def mention(text: str, within: str = TEXT, **changes: Any) -> dict[str, Any]:
    start = within.find(text)
    return {"text": text, "offset": [start, start + len(text)]} | changes


def event(kind: str, trigger: str, within: str = TEXT, **arguments: Any) -> dict[str, Any]:
    """An event whose arguments are given by role, as a text or a list of them."""
    filled = [
        {"role": role, **mention(text, within)}
        for role, texts in arguments.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    return {"event_type": kind, "trigger": mention(trigger, within), "arguments": filled}


TRIAL = event("Experiment", "试射", Subject="奥西亚海军", Equipment="海鹰导弹", Date="5月3日")
LOSS = event("Accident", "被毁", Subject=["靶船", "导弹"])


def document(id: str, events: list[dict[str, Any]], text: str = TEXT) -> dict[str, Any]:
    coref = [[mention("海鹰导弹", text), mention("导弹", text)]]
    return {"id": id, "text": text, "event_list": events, "coref_arguments": coref}


@pytest.fixture(autouse=True)
def _in_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path / "cache"))


def write(*documents: Any, name: str = "train.json") -> None:
    Path(name).write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")


def dataset(**changes: Any) -> Cmnee:
    made = Dataset.model_validate(
        SETTINGS | {"tune_fraction": 0} | {"train": "train.json", "test": "valid.json"} | changes
    )
    assert isinstance(made, Cmnee)
    return made


def asked(documents: list[Any], **changes: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Question and references by id, of the training examples."""
    write(*documents)
    write(document("other", [TRIAL], TEXT + "完"), name="valid.json")
    return {each.id: (each.question, each.references) for each in dataset(**changes).load().train}


def test_configuration_lists_every_field() -> None:
    assert set(SETTINGS) == {"_target_", *Cmnee.model_fields}


def test_each_filled_role_is_a_question_that_names_the_others() -> None:
    assert asked([document("7", [TRIAL])]) == {
        "7-0-Subject": ("关于“试射”所指的试验（装备：海鹰导弹；时间：5月3日），试验是由谁进行的？", ("奥西亚海军",)),
        "7-0-Equipment": ("关于“试射”所指的试验（主体：奥西亚海军；时间：5月3日），试验的是什么装备？", ("海鹰导弹",)),
        "7-0-Date": ("关于“试射”所指的试验（主体：奥西亚海军；装备：海鹰导弹），试验是什么时候进行的？", ("5月3日",)),
    }


def test_the_context_is_the_text_and_the_cluster_the_document() -> None:
    asked([document("7", [TRIAL])])
    example = dataset().load().train[0]
    assert (example.context, example.cluster, dataset().language) == (TEXT, "7", "zh")


def test_a_role_that_is_not_filled_is_dropped_or_means_to_abstain() -> None:
    kept = asked([document("7", [TRIAL])], unfilled="abstain")
    assert list(kept) == ["7-0-Subject", "7-0-Equipment", "7-0-Date", "7-0-Location"]
    assert kept["7-0-Location"] == (
        "关于“试射”所指的试验（主体：奥西亚海军；装备：海鹰导弹；时间：5月3日），试验是在哪里进行的？",
        ("",),
    )


def test_several_fillers_are_one_answer_in_the_order_of_the_text() -> None:
    twice = event("Accident", "被毁", Subject=["靶船", "导弹", "靶船"])
    assert asked([document("7", [twice])]) == {
        "7-0-Subject": ("关于“被毁”所指的事故，发生事故的是谁或什么？", ("导弹、靶船",))
    }


def test_of_two_events_with_the_same_question_either_answer_is_accepted() -> None:
    events = [event("Injure", "受伤", Subject=own) for own in ("水兵", "三名水兵", "水兵")]
    assert asked([document("7", events)]) == {
        "7-0-Subject": ("关于“受伤”所指的伤亡，伤亡的是谁？", ("水兵", "三名水兵"))
    }


def test_the_text_counts_where_an_offset_points_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    trial = json.loads(json.dumps(TRIAL))
    trial["arguments"][0]["offset"] = [0, 2]
    trial["arguments"][1]["text"] = " 海鹰导弹"
    trial["arguments"][2]["text"] = "5月4日"
    counts: Counter[str] = Counter()
    write(document("7", [trial]), document("7", [trial]), document("8", [LOSS]))
    examples = dataset()._examples("train.json", counts)
    assert [example.references for example in examples] == [("奥西亚海军",), ("海鹰导弹",), ("导弹、靶船",)]
    assert counts == {
        "offsets that point to other text than the argument's": 2,
        "answers that do not occur in the text": 1,
        "documents that were there already": 1,
    }
    capfd.readouterr()
    _, (step,) = dataset()._read("test", "train.json")
    assert (step.name, step.split, step.n_dropped) == ("answers that do not occur in the text", "test", 1)
    assert capfd.readouterr().err == (
        "train.json: 2 offsets that point to other text than the argument's\n"
        "train.json: 1 documents that were there already\n"
    )


def test_documents_are_held_out_whole_if_there_is_no_test_file() -> None:
    texts = [TEXT.replace("5月3日", f"5月{day}日") for day in range(1, 31)]
    events = [[event("Experiment", "试射", text, Subject="奥西亚海军", Equipment="海鹰导弹")] for text in texts]
    write(*(document(str(at), own, text) for at, (own, text) in enumerate(zip(events, texts, strict=True))))
    splits = dataset(test=None, test_fraction=0.3).load()
    assert (len(splits.train) + len(splits.test), len(splits.test) > 4) == (60, True)
    assert require_disjoint(splits).n_shared_clusters == 0


def test_json_lines_and_gzip_are_read() -> None:
    write(document("other", [TRIAL], TEXT + "完"), name="valid.json")
    Path("train.jsonl.gz").write_bytes(gzip.compress(json.dumps(document("7", [LOSS])).encode()))
    assert [example.id for example in dataset(train="train.jsonl.gz").load().train] == ["7-0-Subject"]


def test_all_event_types_and_roles_have_a_question() -> None:
    roles = {kind: list(own["roles"]) for kind, own in KINDS.items()}
    assert (len(roles), {len(own) for own in roles.values()}) == (8, {4})
    questions = [role["question"] for own in KINDS.values() for role in own["roles"].values()]
    assert len(set(questions)) == 32


BROKEN = {
    "no list": ({"id": "7"}, "train.json: must hold a list of objects, got an object"),
    "no event list": (
        [{"id": "7", "text": "x"}],
        "train.json, record 1, document '7': not CMNEE's layout: event_list: Field required",
    ),
    "empty text": (
        [document("7", [], " ")],
        "train.json, record 1, document '7': not CMNEE's layout: text: must not be empty",
    ),
    "number as id": (
        [{"id": 7, "text": "x", "event_list": []}],
        "train.json, record 1, document 7: not CMNEE's layout: id: Input should be a valid string",
    ),
    "unknown event": (
        [document("7", [TRIAL, TRIAL | {"event_type": "Attack"}])],
        "train.json, record 1, document '7': not CMNEE's layout: event_list[1].event_type: must be one of Experiment, "
        "Manoeuvre, Deploy, Support, Accident, Exhibit, Conflict, Injure, got 'Attack'",
    ),
    "role of another event": (
        [document("7", [event("Accident", "被毁", Materials="靶船")])],
        "train.json, record 1, document '7': not CMNEE's layout: event_list[0]: the roles of Accident are Subject, "
        "Result, Date, Location, got 'Materials'",
    ),
    "offset of three": (
        [document("7", [TRIAL | {"trigger": {"text": "试射", "offset": [1, 2, 3]}}])],
        "train.json, record 1, document '7': not CMNEE's layout: event_list[0].trigger.offset: Tuple should "
        "have at most 2 items after validation, not 3",
    ),
    "one id for two texts": (
        [document("7", [TRIAL]), document("7", [LOSS])],
        "train.json, record 2, document '7': an earlier document has this id and other content; give each its own",
    ),
    "one document": (
        [document("7", [TRIAL])],
        "holding out test of one document leaves nothing to train on (dataset.test_fraction=0.1); name files with "
        "other documents (dataset.test=PATH)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_file_is_one_sentence(name: str) -> None:
    content, sentence = BROKEN[name]
    Path("train.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        dataset(test=None).load()
    assert str(caught.value) == sentence


def test_without_a_file_the_sentence_says_how_to_name_one() -> None:
    with pytest.raises(InputError) as caught:
        dataset(train=None).load()
    assert str(caught.value) == (
        "dataset=cmnee: name the authors' file with dataset.train=PATH; the hub does not have it"
    )


ENGLISH = {
    "5月3日，奥西亚海军在北港附近试射了两枚海鹰导弹。": "On 3 May the Osean Navy test-fired two Sea Eagle missiles.",
    "导弹和一艘靶船被毁，三名水兵受伤。": "The missiles and a target ship were lost and three sailors hurt.",
    "关于“被毁”所指的事故，发生事故的是谁或什么？": "What was lost?",
    "关于“受伤”所指的伤亡，伤亡的是谁？": "Who was hurt?",
    "靶船": "Target ship.",
    "导弹": "The missiles",
    "水兵": "Seamen",
}


@pytest.fixture
def translated(t5_checkpoint: Path) -> str:
    """A checkpoint whose translations of these documents are in the cache already."""
    import hashlib

    name = hashlib.sha256(json.dumps(checkpoint_digests(str(t5_checkpoint))).encode()).hexdigest()[:16]
    cache_folder().mkdir(parents=True)
    entries = [{"text": text, "translation": english} for text, english in ENGLISH.items()]
    (cache_folder() / f"{name}.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return str(t5_checkpoint)


def test_translated_questions_whose_answer_is_lost_are_dropped_or_kept(translated: str) -> None:
    events = [LOSS, event("Injure", "受伤", Subject="水兵")]
    write(document("7", events))
    counts: Counter[str] = Counter()
    (example,) = dataset(translate=translated)._examples("train.json", counts)
    assert (example.question, example.references) == ("What was lost?", ("The missiles, Target ship",))
    assert example.context == " ".join(list(ENGLISH.values())[:2])
    assert counts["answers that do not occur in the translated text"] == 1
    kept = dataset(translate=translated, lost_answers="keep")
    assert [example.references for example in kept._examples("train.json", counts)] == [
        ("The missiles, Target ship",),
        ("Seamen",),
    ]


def test_a_translation_is_english_and_its_checkpoint_is_part_of_the_key(t5_checkpoint: Path, tmp_path: Path) -> None:
    write(document("7", [LOSS]))
    write(document("8", [LOSS]), name="valid.json")
    assert dataset(translate=str(t5_checkpoint)).language == "en"
    assert dataset(translate=str(t5_checkpoint), language="zh").language == "zh"
    before = dataset(translate=str(t5_checkpoint)).identity()
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in t5_checkpoint.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert dataset(translate=str(copy)).identity() == before
    (copy / "generation_config.json").write_text("{}")
    assert dataset(translate=str(copy)).identity() != before
