"""Make the embedded model from nothing: `python -m bench.tiny.make`.

A tokenizer and a Llama of one million parameters are trained on event reports with questions and answers, all written
by `bench.dataset.events` from seeds that no `dataset.seed` can give. It takes about a quarter of an hour on two idle
cores; what the model reaches stands in README.md. The same machine and packages give the same files again, others give
a model as good.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
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

STEPS = 2200
WARMUP_STEPS = 40
DECAY_FROM = 0.45
SHORT_REPORTS = 16_000
TOKENS_PER_STEP = 4096
STEPS_SORTED_TOGETHER = 16
MATRIX_LEARNING_RATE = 0.02
OTHER_LEARNING_RATE = 2e-3
TEXT_WEIGHT = 0.1
QUESTION_WEIGHT = 0.5
QUESTION_FIRST = 0.5
QUESTIONS_AFTER = 4
VOCABULARY = 1280
TOKENIZER_ROWS = 4000
CONTEXT_TOKENS = 1024


class Piece(NamedTuple):
    """A stretch of a training row, and the weight of its tokens in the loss."""

    text: str
    weight: float


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the model files (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps (default: %(default)s)")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = train_tokenizer(islice(rows(), TOKENIZER_ROWS))
    model = untrained(tokenizer)
    for step, text_loss, answer_loss in train(model, batches(tokenizer), arguments.steps):
        if step % 50 == 0:
            print(f"step {step}: loss {text_loss:.3f} on text, {answer_loss:.3f} on answers", flush=True)
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


def rows() -> Iterator[list[Piece]]:
    """Reports with questions and answers, without end, none of them a report of the default `events` data set."""
    default = Events(
        name="events",
        language="en",
        seed=0,
        train_documents=700,
        validation_documents=150,
        questions_per_document=3,
        train=None,
        validation=None,
        train_limit=None,
        validation_limit=None,
    ).load()
    held_out = {example.context for example in default.train + default.validation}
    for number in count():
        random = Random(f"tiny/{number}")
        report = write_report(random, 1 if number < SHORT_REPORTS else n_events(random))
        if report.text not in held_out:
            yield row(random, report)


def row(random: Random, report: Report) -> list[Piece]:
    """The pretraining forms: one question before the report, or several after it. Answers follow a `>`.

    Loss is taken on every token. Most of a report cannot be foretold, so its weight is small.
    """
    questions = shuffled(random, report.questions)
    if random.random() < QUESTION_FIRST:
        question, references = questions[0]
        return [Piece(f"{question}\n{report.text}\n", TEXT_WEIGHT), Piece(f"> {references[0]}\n", 1.0)]
    pieces = [Piece(f"{report.text}\n", TEXT_WEIGHT)]
    for question, references in questions[:QUESTIONS_AFTER]:
        pieces += [Piece(f"{question}\n", QUESTION_WEIGHT), Piece(f"> {references[0]}\n", 1.0)]
    return pieces


def train_tokenizer(sample: Iterator[list[Piece]]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: text that the sample does not resemble is split into more tokens, never lost."""
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
    tokenizer.train_from_iterator(("".join(piece.text for piece in pieces) for pieces in sample), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def untrained(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The architecture; its widths are multiples of 64, the block of 4-bit quantisation."""
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
            # Under bfloat16 on a CPU, the backward pass of the default attention takes three times the whole step.
            attn_implementation="eager",
        )
    )


def batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Token ids and loss weights, both (rows, tokens), right-padded with weight 0; rows of similar length together."""
    encoded = (encode(tokenizer, pieces) for pieces in rows())
    shuffler = Random("tiny/order")
    while True:
        pool = [next(encoded)]
        while sum(len(ids) for ids, _ in pool) < STEPS_SORTED_TOGETHER * TOKENS_PER_STEP:
            pool.append(next(encoded))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for ids, weights in sorted(pool, key=lambda one: len(one[0])):
            if len(ids) * (len(groups[-1]) + 1) > TOKENS_PER_STEP:
                groups.append([])
            groups[-1].append((ids, weights))
        for group in shuffled(shuffler, groups):
            longest = max(len(ids) for ids, _ in group)
            yield (
                torch.tensor([ids + [tokenizer.pad_token_id] * (longest - len(ids)) for ids, _ in group]),
                torch.tensor([weights + [0.0] * (longest - len(weights)) for _, weights in group]),
            )


def encode(tokenizer: PreTrainedTokenizerFast, pieces: list[Piece]) -> tuple[list[int], list[float]]:
    """Ids and loss weights of a row, from beginning-of-text to end-of-text."""
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for piece in pieces:
        tokens = tokenizer(piece.text, add_special_tokens=False)["input_ids"]
        ids += tokens
        weights += [piece.weight] * len(tokens)
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0]


def train(
    model: LlamaForCausalLM, data: Iterator[tuple[torch.Tensor, torch.Tensor]], steps: int
) -> Iterator[tuple[int, float, float]]:
    """Train for `steps` steps, yielding after each its number and its mean loss (nats per token) on text and answers.

    Matrices are trained with Muon (Jordan et al. 2024), which needs about half the tokens that AdamW does here.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = (
        torch.optim.Muon(matrices, lr=MATRIX_LEARNING_RATE, weight_decay=0.0),
        torch.optim.AdamW(others, lr=OTHER_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    )
    schedules = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: rate(step, steps)) for one in optimizers]
    model.train()
    for step, (ids, weights) in enumerate(islice(data, steps), start=1):
        # Only the states that predict a token, padding left out, go through the output layer.
        predicting = weights[:, 1:] > 0
        with torch.autocast("cpu", torch.bfloat16):
            states = model.model(input_ids=ids).last_hidden_state[:, :-1]
            logits = model.lm_head(states[predicting])
        losses = cross_entropy(logits.float(), ids[:, 1:][predicting], reduction="none")
        weight = weights[:, 1:][predicting]
        loss = (losses * weight).sum() / weight.sum()
        model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        on_answers = weight == 1.0
        yield step, losses[~on_answers].mean().item(), losses[on_answers].mean().item()


def rate(step: int, steps: int) -> float:
    """The share of the learning rate at a step: linear warm-up, constant, linear decay to 0."""
    return min(1.0, step / WARMUP_STEPS, (steps - step) / (steps * (1 - DECAY_FROM)))


if __name__ == "__main__":
    main()
