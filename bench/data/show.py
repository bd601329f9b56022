"""The sections of what is printed about a data set, from what was gathered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bench.data.advice import warnings
from bench.data.amounts import many, share
from bench.data.columns import Column
from bench.data.first_run import first_run, look_again
from bench.data.inspection import Inspection, Reading
from bench.data.layout import barred, folded, numbered, section, table
from bench.data.lengths import Distribution, SplitLengths
from bench.data.prompts import Piece, Rendered
from bench.data.source import Table
from bench.example import SPLIT_WORDS
from bench.model import EMBEDDED
from bench.report.wording import inert, printable

LONGEST_PROMPT = 3_000
"""Characters of a stretch of a prompt that are shown; of a longer one, the middle is left out."""
MARKS = "⟦⟧"
"""Stand around what is trained; on a terminal, it has a colour, too."""
TRIAL = "with the embedded model; for yours, add model=local model.path=FOLDER"


def report(inspection: Inspection, typed: Sequence[str], width: int) -> Iterator[RenderableType]:
    """Everything about a data set that could be loaded, in the order in which one reads it."""
    yield splits(inspection)
    if inspection.splits.steps or inspection.cell.dataset.quality_steps():
        yield left_out(inspection)
    if inspection.reading is not None:
        yield lengths(inspection, inspection.reading)
        yield prompts(inspection, inspection.reading, width)
    yield advice(inspection)
    if not inspection.refusals:
        yield next_commands(inspection, typed, width)


def title(dataset: Mapping[str, Any]) -> Text:
    """The data set's name and where it comes from."""
    named = [str(dataset[split]) for split in SPLIT_WORDS if dataset.get(split)]
    own_class = str(dataset["_target_"])
    made = "comes with tunebench" if own_class.startswith("bench.") else f"made by {own_class}"
    source = " and ".join(named) or dataset.get("path") or made
    return Text.assemble((str(dataset.get("name")), "bold"), (f"  {source}", "dim"))


def columns(found: Table, dataset: Mapping[str, Any]) -> RenderableType:
    """The columns of a table, and which settings use them."""
    names = [column.name for column in found.columns]
    uses: dict[str, str] = {}
    for key, value in dataset.items():
        if key.endswith("_column") and value is not None:
            given = [value] if isinstance(value, str) else value
            uses.setdefault(next((name for name in given if name in names), given[0]), key.removesuffix("_column"))
    rows = [_column(column, uses.get(column.name, "")) for column in found.columns]
    remark = f"{found.split}, {many(found.n_rows, 'row')}{' before a fault' if found.fault else ''}"
    return section(
        f"Columns of {found.path}", remark, table("column", "holds", ">empty", "used as", "example", rows=rows)
    )


def _column(column: Column, use: str) -> tuple[Text, ...]:
    return (
        Text(printable(column.name, longest=40), style="bold" if use else ""),
        Text(printable(column.kind, longest=40)),
        Text(share(column.empty_share), style="yellow" if column.empty_share else "dim"),
        Text(use, style="cyan"),
        Text(printable(column.sample), style="dim", no_wrap=True, overflow="ellipsis"),
    )


def splits(inspection: Inspection) -> RenderableType:
    """Examples and documents of each split, and how the splits were made."""
    rows = [
        (SPLIT_WORDS[name], f"{part.n_examples:,}", f"{part.n_documents:,}", share(part.largest_document_share))
        for name, part in inspection.parts.items()
    ]
    return section(
        "Splits", inspection.splits.origin, table("", ">examples", ">documents", ">largest document", rows=rows)
    )


def left_out(inspection: Inspection) -> RenderableType:
    """What each step left out, with the first ones of it, and those that found nothing: a pattern may be mistyped."""
    lines = []
    for step in inspection.splits.steps:
        lines.append(
            Text.assemble(f"{many(step.n_dropped, 'example')} of {SPLIT_WORDS[step.split]}: ", (step.name, "yellow"))
        )
        lines += [Text(f"  {printable(sample)}", style="dim") for sample in step.samples]
    found = {step.name for step in inspection.splits.steps}
    if idle := [name for name in inspection.cell.dataset.quality_steps() if name not in found]:
        lines.append(Text(f"nothing: {', '.join(map(printable, idle))}"))
    return section("Left out", "before the examples become tokens; dataset.quality has the steps", *lines)


def lengths(inspection: Inspection, reading: Reading) -> RenderableType:
    """Lengths in tokens, and what the limits do to them."""
    cell, measured = inspection.cell, {SPLIT_WORDS[name]: split for name, split in reading.splits.items()}
    parts = ("prompt", "answer", "both") if cell.prompt.asks else ("answer",)
    rows = [
        (name if part == parts[0] else "", part if cell.prompt.asks else "text", *_quantiles(getattr(split, part)))
        for name, split in measured.items()
        for part in parts
    ]
    limit = f"prompt.max_length={cell.prompt.max_length}"
    limits = [(_fit if cell.prompt.asks else _cut)(limit, name, split) for name, split in measured.items()]
    if cell.prompt.asks:
        limits.append(_answers(cell.generation.max_new_tokens, reading.test))
    return section(
        "Lengths",
        f"in tokens of {cell.model.name}{_sampled(inspection, reading)}",
        table("", "", ">min", ">median", ">95 %", ">99 %", ">max", rows=rows),
        Text(" "),
        *limits,
    )


def _quantiles(numbers: Distribution) -> Iterator[str]:
    counts = (numbers.smallest, numbers.median, numbers.p95, numbers.p99, numbers.largest)
    return (f"{count:,}" for count in counts)


def _sampled(inspection: Inspection, reading: Reading) -> str:
    larger = max(part.n_examples for part in inspection.parts.values())
    n_measured = max(split.n_measured for split in reading.splits.values())
    return f"; of a larger split, {n_measured:,} examples are measured" if n_measured < larger else ""


def _fit(limit: str, name: str, split: SplitLengths) -> Text:
    changed = [
        f"{count:,} {what}"
        for count, what in ((split.n_shortened, "shortened"), (split.n_dropped, "left out"))
        if count
    ]
    verdict = Text(" and ".join(changed), "yellow") if changed else Text("all fit", "green")
    return Text(f"{limit}, {many(split.n_measured, f'{name} example')}: ").append_text(verdict)


def _cut(limit: str, name: str, split: SplitLengths) -> Text:
    return Text(f"{limit}: {many(split.n_measured, f'{name} text')} in {many(split.n_sequences, 'piece')}")


def _answers(limit: int, split: SplitLengths) -> Text:
    n_longer = split.n_answers_too_long
    verdict = Text(f"{n_longer:,} longer", "yellow") if n_longer else Text("all fit", "green")
    text = Text(f"generation.max_new_tokens={limit}, {many(split.n_measured, 'test answer')}: ")
    return text.append_text(verdict).append(f"; {split.answer.p99:,} would hold 99 %" if n_longer else "")


def prompts(inspection: Inspection, reading: Reading, width: int) -> RenderableType:
    """Examples as the model reads them."""
    remark = (
        f"as {inspection.cell.model.name} reads them; {MARKS[0]}what it learns to say{MARKS[1]}; ┊ goes on with a line"
    )
    shown = [part for item in reading.prompts for part in (Text(" "), *_prompt(item, width))]
    return section("Prompts", remark, *(shown[1:] or [Text("No example fits.", "yellow")]))


def _prompt(item: Rendered, width: int) -> Iterator[RenderableType]:
    n_marked = sum(piece.n_tokens for piece in item.pieces if piece.marked)
    n_tokens = sum(piece.n_tokens for piece in item.pieces)
    if item.split == "train":
        counts = f"{many(n_tokens, 'token')}, {n_marked:,} of them trained"
    else:
        counts = f"{many(n_tokens - n_marked, 'token')} given, and {n_marked:,} of the reference expected"
    yield Text.assemble(
        f"{SPLIT_WORDS[item.split]} ",
        (printable(item.id, longest=40), "cyan"),
        f": {counts}",
        ("; shortened to fit" if item.shortened else ""),
        style="dim",
    )
    yield barred(Text().join(map(_piece, item.pieces)), width)


def _piece(piece: Piece) -> Text:
    text = inert(piece.text)
    if len(text) > LONGEST_PROMPT:
        half = LONGEST_PROMPT // 2
        text = f"{text[:half]} … {len(text) - 2 * half:,} characters not shown … {text[-half:]}"
    return Text(f"{MARKS[0]}{text}{MARKS[1]}", style="green") if piece.marked else Text(text)


def advice(inspection: Inspection) -> RenderableType:
    """Warnings, or that there are none."""
    found = warnings(inspection)
    content = numbered(found, "yellow") if found else Text("none", "green")
    return section("Warnings", "", content)


def next_commands(inspection: Inspection, typed: Sequence[str], width: int) -> RenderableType:
    """What to type for a first run."""
    lines = [Text(folded(words, width), "cyan") for words in first_run(inspection, typed)]
    return section("A first run", TRIAL if inspection.cell.model.path == EMBEDDED else "", Group(*lines))


def likely(settings: Sequence[str], found: Table, typed: Sequence[str], width: int) -> RenderableType:
    """The command with settings that likely fit a table."""
    words = look_again(settings, found.path, typed)
    return section("Likely settings", "by the names of the columns", Text(folded(words, width), "cyan"))
