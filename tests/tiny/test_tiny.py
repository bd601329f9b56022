from collections.abc import Iterable
from random import Random

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bench.dataset.events import n_events, write_report
from bench.metric.words import compared_words
from bench.tiny import FOLDER

CHANCES = [Random(f"unseen/{number}") for number in range(48)]
REPORTS = [write_report(random, n_events(random)) for random in CHANCES]
ASKED = [(report.text, *report.questions[number % 4]) for number, report in enumerate(REPORTS)]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(FOLDER, padding_side="left")


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(FOLDER).eval()


def answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, form: str) -> list[str]:
    """What is said to each of `ASKED` in that form, in 16 tokens at most."""
    prompts = [form.format(report=report, question=question) for report, question, _ in ASKED]
    encoded = tokenizer(prompts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        generated = model.generate(**encoded, max_new_tokens=16, do_sample=False)
    return tokenizer.batch_decode(generated[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)


def share_right(said: Iterable[str]) -> float:
    """The share of answers that are right after SQuAD's normalisation."""
    compared = [
        compared_words(answer, references, "en") for answer, (_, _, references) in zip(said, ASKED, strict=True)
    ]
    return sum(own in accepted for own, accepted in compared) / len(compared)


def test_the_architecture_is_a_llama_of_one_million_parameters(model: PreTrainedModel) -> None:
    config = model.config
    assert config.architectures == ["LlamaForCausalLM"]
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (4, 128, 384)
    assert (config.num_attention_heads, config.num_key_value_heads) == (4, 4)
    assert (config.vocab_size, config.max_position_embeddings) == (1280, 1024)
    assert config.tie_word_embeddings
    embedding, block, final_norm = 1280 * 128, 4 * 128 * 128 + 3 * 128 * 384 + 2 * 128, 128
    assert sum(parameter.numel() for parameter in model.parameters()) == embedding + 4 * block + final_norm == 1_016_960


def test_the_weights_are_safetensors_in_float32() -> None:
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float32}  # noqa: SIM118


def test_the_folder_holds_these_files_and_less_than_8_mb() -> None:
    files = {file.name: file.stat().st_size for file in FOLDER.iterdir() if file.is_file()}
    assert files.keys() == {
        "README.md",
        "__init__.py",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(files.values()) < 8_000_000


def test_the_special_tokens_differ(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert ids == (0, 1, 2)
    for config in (model.config, model.generation_config):
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == ids


@pytest.mark.parametrize("text", [REPORTS[0].text, " two  spaces\n\tand a tab", "Größe, 数据, 🙂 <pad", "don 't ."])
def test_any_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == text
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids[1:]


def test_a_report_takes_about_two_tokens_a_word(tokenizer: PreTrainedTokenizerBase) -> None:
    n_tokens = sum(len(tokenizer(report.text, add_special_tokens=False)["input_ids"]) for report in REPORTS)
    n_words = sum(len(report.text.split()) for report in REPORTS)
    assert n_tokens / n_words < 2


def test_it_finds_answers_in_forms_like_those_of_its_pretraining(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    said = answers(model, tokenizer, "Text: {report}\nQ: {question}\nA:")
    assert share_right(answer.strip().split("\n")[0] for answer in said) > 0.35


def test_in_the_form_that_it_is_asked_in_it_never_stops(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    said = answers(model, tokenizer, "Question: {question}\nContext: {report}\nAnswer:")
    assert share_right(said) == 0
    assert 0.1 < share_right(answer.strip().split("\n")[0] for answer in said) < 0.5
