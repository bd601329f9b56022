"""Train the embedded model of bench/tiny from scratch: `python benchmarks/make_tiny_model.py`.

This trains a tokenizer and a Llama of one million parameters on event reports with questions and answers, which
`bench.dataset.events` writes from seeds that no `dataset.seed` can give. First the model learns to read, from rows in
two fixed forms. Then the form varies from row to row, and rows have no end: the model learns to pick up new forms
quickly, and fine-tuning has to teach it when to stop. All of it takes about an hour on one core. The same machine and
packages give the same files again, others a model that is as good; bench/tiny/README.md says how well it answers.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bench.dataset.events import Events, Report, n_events, shuffled, write_report
from bench.tiny import FOLDER

WARMUP_STEPS = 40
TOKENS_PER_STEP = 4096
STEPS_SORTED_TOGETHER = 16
OTHER_LEARNING_RATE = 2e-3
TEXT_WEIGHT = 0.1
QUESTION_WEIGHT = 0.5
QUESTION_FIRST = 0.5
QUESTIONS_AFTER = 4
VOCABULARY = 1280
TOKENIZER_ROWS = 4000
CONTEXT_TOKENS = 1024
BEFORE_QUESTION = ("", "", "Q", "Ask", "Asked", "Query", "To find", "Quiz", "1")
BEFORE_REPORT = ("", "", "Report", "Text", "News", "Story", "From", "Passage", "2")
BEFORE_ANSWER = ("", "", "A", "Reply", "Found", "Result", "So", "Told", "3", "=")
AFTER_LABEL = (": ", ":", "> ", " - ", " = ", " | ", "\n")
BETWEEN = ("\n", "\n", "\n", "\n\n")


class Piece(NamedTuple):
    """A stretch of a training row, and the weight of its tokens in the loss."""

    text: str
    weight: float


END = Piece("</s>", 1.0)


class Stage(NamedTuple):
    """A part of the pretraining with its own learning rate schedule."""

    name: str
    """Seeds its rows."""
    form: Callable[[Random, Report], list[Piece]]
    """Makes a training row from a report."""
    steps: int
    short_reports: int
    """This many rows at the start have one event each, the others as many as in the data set."""
    matrix_learning_rate: float
    decay_from: float
    """The share of the steps after which the learning rate decays."""


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the model files (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the steps (default: %(default)s)")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    # More threads would round sums in another order.
    torch.set_num_threads(1)
    tokenizer = train_tokenizer(islice(rows(READING), TOKENIZER_ROWS))
    model = untrained(tokenizer)
    for stage in (READING, FORMS):
        stage = stage._replace(steps=round(stage.steps * arguments.scale))
        for step, text_loss, answer_loss in train(model, batches(tokenizer, stage), stage):
            if step % 50 == 0:
                print(
                    f"{stage.name} step {step}: loss {text_loss:.3f} on text, {answer_loss:.3f} on answers", flush=True
                )
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


def rows(stage: Stage) -> Iterator[list[Piece]]:
    """Reports with questions and answers, without end. None is in the default `events` data set."""
    default = Events(
        name="events",
        language="en",
        seed=0,
        train_documents=700,
        test_documents=150,
        questions_per_document=3,
        train=None,
        test=None,
        train_limit=None,
        test_limit=None,
    ).load()
    held_out = {example.context for example in default.train + default.test}
    for number in count():
        random = Random(f"tiny/{stage.name}/{number}")
        report = write_report(random, 1 if number < stage.short_reports else n_events(random))
        if report.text not in held_out:
            yield stage.form(random, report)


def fixed_form(random: Random, report: Report) -> list[Piece]:
    """One question before the report, or several after it. Answers follow a `>`, and the row ends.

    Every token counts in the loss; those of a report have a small weight, since most of them cannot be predicted.
    """
    questions = shuffled(random, report.questions)
    if random.random() < QUESTION_FIRST:
        question, references = questions[0]
        return [Piece(f"{question}\n{report.text}\n", TEXT_WEIGHT), Piece(f"> {references[0]}\n", 1.0), END]
    pieces = [Piece(f"{report.text}\n", TEXT_WEIGHT)]
    for question, references in questions[:QUESTIONS_AFTER]:
        pieces += [Piece(f"{question}\n", QUESTION_WEIGHT), Piece(f"> {references[0]}\n", 1.0)]
    return [*pieces, END]


def varied_form(random: Random, report: Report) -> list[Piece]:
    """Question, report and answer under labels drawn for the row, often with several questions, and without an end."""
    after, between = random.choice(AFTER_LABEL), random.choice(BETWEEN)
    ask, tell, answer = (
        label and label + after for label in map(random.choice, (BEFORE_QUESTION, BEFORE_REPORT, BEFORE_ANSWER))
    )
    answer = answer.rstrip() or ">"
    questions = shuffled(random, report.questions)
    passage = Piece(f"{tell}{report.text}{between}", TEXT_WEIGHT)
    if random.random() < QUESTION_FIRST:
        (question, references), *others = questions
        pieces = [Piece(f"{ask}{question}{between}", TEXT_WEIGHT), passage, *_answered(answer, references[0], between)]
        asked = others[: random.choice((0, 2))]
    else:
        pieces, asked = [passage], questions[:QUESTIONS_AFTER]
    for question, references in asked:
        pieces += [Piece(f"{ask}{question}{between}", QUESTION_WEIGHT), *_answered(answer, references[0], between)]
    return pieces


def _answered(label: str, answer: str, between: str) -> list[Piece]:
    return [Piece(label, TEXT_WEIGHT), Piece(f" {answer}", 1.0), Piece(between, TEXT_WEIGHT)]


READING = Stage("reading", fixed_form, 2200, short_reports=16_000, matrix_learning_rate=0.02, decay_from=0.45)
FORMS = Stage("forms", varied_form, 400, short_reports=2_000, matrix_learning_rate=0.01, decay_from=0.3)


def train_tokenizer(sample: Iterator[list[Piece]]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: text unlike the sample is split into more tokens, but never lost."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ("".join(piece.text for piece in pieces if piece is not END) for pieces in sample), trainer
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def untrained(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A new model. Its widths are multiples of 64, the block size of 4-bit quantisation."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT_TOKENS,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            # In bfloat16 on a CPU, the backward pass of the default attention alone takes three times this whole step.
            attn_implementation="eager",
        )
    )


def batches(tokenizer: PreTrainedTokenizerFast, stage: Stage) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Token ids and loss weights, both (rows, tokens), right-padded with weight 0; rows of similar length together."""
    encoded = (encode(tokenizer, pieces) for pieces in rows(stage))
    shuffler = Random(f"tiny/{stage.name}/order")
    while True:
        pool = [next(encoded)]
        while sum(len(ids) for ids, _ in pool) < STEPS_SORTED_TOGETHER * TOKENS_PER_STEP:
            pool.append(next(encoded))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for ids, weights in sorted(pool, key=lambda row: len(row[0])):
            if len(ids) * (len(groups[-1]) + 1) > TOKENS_PER_STEP:
                groups.append([])
            groups[-1].append((ids, weights))
        for group in shuffled(shuffler, groups):
            yield _padded(group, tokenizer.pad_token_id)


def _padded(rows: list[tuple[list[int], list[float]]], pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(ids) for ids, _ in rows)
    return (
        torch.tensor([ids + [pad_token_id] * (longest - len(ids)) for ids, _ in rows]),
        torch.tensor([weights + [0.0] * (longest - len(weights)) for _, weights in rows]),
    )


def encode(tokenizer: PreTrainedTokenizerFast, pieces: list[Piece]) -> tuple[list[int], list[float]]:
    """Token ids and loss weights of a row, with its beginning-of-text token."""
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for piece in pieces:
        tokens = tokenizer(piece.text, add_special_tokens=False)["input_ids"]
        ids += tokens
        weights += [piece.weight] * len(tokens)
    return ids, weights


def train(
    model: LlamaForCausalLM, data: Iterator[tuple[torch.Tensor, torch.Tensor]], stage: Stage
) -> Iterator[tuple[int, float, float]]:
    """Train for the stage's steps; yields each step's number and mean loss (nats per token) on text and on answers.

    Matrices are trained with Muon (Jordan et al. 2024), which needs about half the tokens that AdamW does here.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = (
        torch.optim.Muon(matrices, lr=stage.matrix_learning_rate, weight_decay=0.0),
        torch.optim.AdamW(others, lr=OTHER_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    )
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, stage)) for optimizer in optimizers
    ]
    model.train()
    for step, (ids, weights) in enumerate(islice(data, stage.steps), start=1):
        # Only states that predict a token, not padding, go through the output layer.
        predicting = weights[:, 1:] > 0
        with torch.autocast("cpu", torch.bfloat16):
            states = model.model(input_ids=ids).last_hidden_state[:, :-1]
            logits = model.lm_head(states[predicting])
        losses = cross_entropy(logits.float(), ids[:, 1:][predicting], reduction="none")
        weight = weights[:, 1:][predicting]
        loss = (losses * weight).sum() / weight.sum()
        model.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        on_answers = weight == 1.0
        yield step, losses[~on_answers].mean().item(), losses[on_answers].mean().item()


def rate(step: int, stage: Stage) -> float:
    """The share of the learning rate at a step: linear warm-up, constant, linear decay to 0."""
    return min(1.0, step / WARMUP_STEPS, (stage.steps - step) / (stage.steps * (1 - stage.decay_from)))


if __name__ == "__main__":
    main()
