"""BERTScore against bert-score's own `score`, with small encoders of random weights; and every way to have none."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import bert_score
import bert_score.utils
import pytest
import torch
from huggingface_hub import constants
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
)

from bench.metric import Answer, Language
from bench.metric.bertscore import BertScore

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

SENTENCES = ["the red fox ran home", "a blue bird flew away in 1990", "no fox is blue", "解放军在北京演习"]
POSITIONS = 40


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks; its tokenizer sets no limit, as of old files, and its positions begin behind the padding's."""
    folder = tmp_path_factory.mktemp("roberta")
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        SENTENCES * 2, vocab_size=320, min_frequency=1, special_tokens=marks, show_progress=False
    )
    trained.save_model(str(folder))
    tokenizer = RobertaTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two blocks; its tokenizer sets a limit and splits Chinese text into characters."""
    folder = tmp_path_factory.mktemp("bert")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted(set(" ".join(SENTENCES[:3]).split() + list(SENTENCES[3]))),
    ]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=POSITIONS)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, and nothing in its cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def metric(
    model: Path | str | None, num_layers: int | None = 2, rescale: bool = False, batch_size: int = 3
) -> BertScore:
    return BertScore(
        name="bertscore",
        model=None if model is None else str(model),
        num_layers=num_layers,
        rescale_with_baseline=rescale,
        batch_size=batch_size,
    )


def reference_f1(
    encoder: Path, texts: list[tuple[str, ...]], num_layers: int, folder: Path, **rescaling: Any
) -> list[float]:
    """What bert-score itself gives, from a copy of the encoder whose tokenizer sets the limit that bert-score needs."""
    copy = folder / "reference"
    shutil.copytree(encoder, copy)
    tokenizer = (RobertaTokenizer if "merges.txt" in os.listdir(copy) else BertTokenizer).from_pretrained(copy)
    tokenizer.model_max_length = min(tokenizer.model_max_length, POSITIONS - 2)
    tokenizer.save_pretrained(copy)
    _, _, f1 = bert_score.score(
        [prediction for prediction, *_ in texts],
        [references for _, *references in texts],
        model_type=str(copy),
        num_layers=num_layers,
        **rescaling,
    )
    return [float(score) for score in f1]


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_roberta_against_bert_score(answered: Answered, roberta: Path, num_layers: int, tmp_path: Path) -> None:
    texts = [
        ("the red fox", "a red fox ran", "no bird"),
        ("blue bird", "blue bird"),
        ("  away in 1990\n", "the fox ran away", "in 1990", "home"),
        ("the fox " * 40, "the red fox " * 30),
    ]
    scores = metric(roberta, num_layers).score(answered(*texts), "en")
    expected = reference_f1(roberta, texts, num_layers, tmp_path)
    assert scores.examples["bertscore_f1"] == pytest.approx(expected, abs=1e-6)
    assert expected[1] == pytest.approx(1.0)
    assert scores.values == {"bertscore_f1": fmean(scores.examples["bertscore_f1"])}


def test_bert_on_chinese_against_bert_score(answered: Answered, bert: Path, tmp_path: Path) -> None:
    texts = [("北京演习", "解放军演习", "在北京"), ("解放军", "解放军"), ("the fox", "北京")]
    scores = metric(bert).score(answered(*texts), "zh")
    assert scores.examples["bertscore_f1"] == pytest.approx(reference_f1(bert, texts, 2, tmp_path), abs=1e-6)


@pytest.mark.parametrize("random_texts", range(3), indirect=True)
def test_random_answers_against_bert_score(
    answered: Answered, roberta: Path, random_texts: Texts, tmp_path: Path
) -> None:
    texts = [tuple(text for text in row if text) for row in random_texts if row[0] and any(row[1:])]
    scores = metric(roberta, batch_size=64).score(answered(*texts), "en")
    assert scores.examples["bertscore_f1"] == pytest.approx(reference_f1(roberta, texts, 2, tmp_path), abs=1e-6)


def test_blank_texts(answered: Answered, roberta: Path) -> None:
    texts = [("", ""), (" ", "\n"), ("", "red fox"), ("red fox", ""), ("", "", "red"), ("red", "", "red")]
    scores = metric(roberta).score(answered(*texts), "en")
    assert scores.examples == {"bertscore_f1": (1.0, 1.0, 0.0, 0.0, 0.0, pytest.approx(1.0))}


def test_nothing_but_abstentions(answered: Answered, roberta: Path) -> None:
    assert metric(roberta).score(answered(("", ""), ("", "red")), "en").values == {"bertscore_f1": 0.5}


def test_an_answer_scores_the_same_beside_any_others(answered: Answered, roberta: Path) -> None:
    alone = metric(roberta).score(answered(("the red fox", "a fox ran home")), "en")
    beside = metric(roberta, batch_size=64).score(answered(("blue", "bird"), ("the red fox", "a fox ran home")), "en")
    assert beside.examples["bertscore_f1"][1] == pytest.approx(alone.examples["bertscore_f1"][0], abs=1e-6)


@pytest.mark.parametrize("random_texts", range(3), indirect=True)
def test_the_last_digits_do_not_depend_on_the_order(answered: Answered, roberta: Path, random_texts: Texts) -> None:
    forwards = metric(roberta).score(answered(*random_texts), "en").examples["bertscore_f1"]
    backwards = metric(roberta).score(answered(*reversed(random_texts)), "en").examples["bertscore_f1"]
    assert backwards == forwards[::-1]


def test_settings_pin_the_encoder_by_its_weights(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(roberta, tmp_path / "copy" / roberta.name)
    here = metric(roberta).score(answered(("red", "red")), "en").settings["bertscore_f1"]
    there = metric(copy).score(answered(("red", "red")), "en").settings["bertscore_f1"]
    pinned = bert_score.utils.get_hash(roberta.name, 2, False, False, False, False)
    digest = hashlib.sha256(hashlib.sha256((roberta / "model.safetensors").read_bytes()).digest()).hexdigest()[:16]
    assert here == there == f"{pinned}|weights:sha256:{digest}"
    assert here.startswith(f"{roberta.name}_L2_no-idf_version=")


# bert-score reads its baselines with pandas into an array that torch may not write to, nor does it.
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_rescaling_against_bert_score(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    named = shutil.copytree(roberta, tmp_path / "roberta-large")
    texts = [("the red fox", "a fox ran home", "no bird"), ("blue", "a bird")]
    scores = metric(named, rescale=True).score(answered(*texts, ("", "red"), ("", "")), "en")
    baselines = Path(bert_score.__file__).parent / "rescale_baseline" / "en" / "roberta-large.tsv"
    expected = reference_f1(
        named, texts, 2, tmp_path, lang="en", rescale_with_baseline=True, baseline_path=str(baselines)
    )
    # For layer 2 the file says 0.69969934, so that 0 becomes -0.69969934 / 0.30030066.
    assert scores.examples["bertscore_f1"] == pytest.approx([*expected, -2.329996, 1.0], abs=1e-5)
    assert scores.values == {"bertscore_f1": fmean(scores.examples["bertscore_f1"])}
    assert ")-rescaled|weights:" in scores.settings["bertscore_f1"]


INFO = {
    "bertscore_f1": {
        "title": "BERTScore",
        "lowest": None,
        "highest": None,
        "better": "higher",
        "pooling": "mean",
    }
}


def missing(reason: str, sentence: str) -> dict[str, object]:
    return {
        "values": {"bertscore_f1": None},
        "examples": {},
        "parts": {},
        "errors": {},
        "missing": {"bertscore_f1": reason},
        "info": INFO,
        "settings": {"bertscore_f1": sentence},
    }


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize(("language", "model"), [("en", "roberta-large"), ("zh", "bert-base-chinese")])
def test_no_network(answered: Answered, language: Language, model: str) -> None:
    scores = metric(None, None).score(answered(("red", "red")), language)
    assert scores.model_dump() == missing(
        "encoder_not_available",
        f"{model} is not on this machine, and the hub cannot be reached. Check the network, "
        "or point metric.bertscore.model at a local copy.",
    )


@pytest.mark.usefixtures("unreachable")
def test_only_a_part_in_the_cache(answered: Answered, tmp_path: Path) -> None:
    repository = tmp_path / "cache" / "models--roberta-large"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    (repository / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (repository / "snapshots" / ("a" * 40) / "config.json").write_text("{}")
    scores = metric("roberta-large").score(answered(("red", "red")), "en")
    assert scores.missing == {"bertscore_f1": "encoder_not_available"}


@pytest.mark.usefixtures("unreachable")
def test_whole_in_the_cache(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    repository = tmp_path / "cache" / "models--someone--encoder"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    shutil.copytree(roberta, repository / "snapshots" / ("a" * 40))
    texts = [("the red fox", "a fox ran home")]
    scores = metric("someone/encoder").score(answered(*texts), "en")
    assert scores.values == metric(roberta).score(answered(*texts), "en").values
    assert scores.settings["bertscore_f1"].startswith("someone/encoder_L2_no-idf_")


@pytest.mark.usefixtures("unreachable")
def test_a_folder_that_is_not_there(answered: Answered) -> None:
    assert metric("/no/such/encoder").score(answered(("red", "red")), "en").model_dump() == missing(
        "encoder_not_available",
        "There is no folder /no/such/encoder. Give one with a config.json and safetensors weights, or a hub name.",
    )


def test_a_folder_without_safetensors(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(roberta, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(RobertaModel.from_pretrained(roberta).state_dict(), bare / "pytorch_model.bin")
    scores = metric(bare).score(answered(("red", "red")), "en")
    assert scores.missing == {"bertscore_f1": "encoder_not_available"}
    assert scores.settings["bertscore_f1"].startswith("bare cannot be loaded (OSError: ")


def test_weights_cut_off_in_the_middle(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    cut = shutil.copytree(roberta, tmp_path / "cut")
    os.truncate(cut / "model.safetensors", 5000)
    scores = metric(cut).score(answered(("red", "red")), "en")
    assert scores.missing == {"bertscore_f1": "encoder_not_available"}
    assert scores.settings["bertscore_f1"].startswith("cut cannot be loaded (SafetensorError: ")


def test_weights_of_another_architecture_are_not_replaced_by_random_ones(
    answered: Answered, roberta: Path, tmp_path: Path
) -> None:
    mixed = shutil.copytree(roberta, tmp_path / "mixed")
    torch.manual_seed(0)
    GPT2Model(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path / "gpt2")
    shutil.copy(tmp_path / "gpt2" / "model.safetensors", mixed)
    scores = metric(mixed).score(answered(("red", "red")), "en")
    assert scores.model_dump() == missing(
        "encoder_not_available", "mixed lacks 37 weights, such as embeddings.LayerNorm.bias"
    )


def test_a_model_that_does_not_pad(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    decoder = tmp_path / "decoder"
    GPT2Model(GPT2Config(vocab_size=400, n_embd=8, n_layer=2, n_head=1)).save_pretrained(decoder)
    GPT2Tokenizer(vocab=str(roberta / "vocab.json"), merges=str(roberta / "merges.txt")).save_pretrained(decoder)
    assert metric(decoder).score(answered(("red", "red")), "en").model_dump() == missing(
        "encoder_not_supported", "decoder is not an encoder with a padding token"
    )


def test_a_layer_that_is_not_set(answered: Answered, roberta: Path) -> None:
    assert metric(roberta, None).score(answered(("red", "red")), "en").model_dump() == missing(
        "layer_not_set",
        f"metric.bertscore.num_layers must be set, bert-score knows no layer for {roberta.name}",
    )


def test_a_layer_that_the_encoder_lacks(answered: Answered, roberta: Path, tmp_path: Path) -> None:
    named = shutil.copytree(roberta, tmp_path / "roberta-large")
    assert metric(named, None).score(answered(("red", "red")), "en").model_dump() == missing(
        "layer_out_of_range", "metric.bertscore.num_layers: roberta-large has 3 layers, got 17"
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_baseline_to_rescale_with(answered: Answered, roberta: Path, language: Language) -> None:
    assert metric(roberta, rescale=True).score(answered(("red", "red")), language).model_dump() == missing(
        "no_baseline", f"bert-score has no baseline for layer 2 of {roberta.name} and language {language}"
    )


def test_an_encoder_that_does_not_fit_into_memory_costs_only_its_score(
    answered: Answered, roberta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(bert_score.utils, "get_bert_embedding", full)
    assert metric(roberta).score(answered(("red", "red")), "en").model_dump() == missing(
        "out_of_memory", f"{roberta} does not fit beside the model; lower metric.bertscore.batch_size"
    )
